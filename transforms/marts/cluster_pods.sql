-- One row per pod of the deprecated list by cluster, as last read; empty unless that endpoint is switched on.
--
-- rebuilt by: pod_id
--
-- pod_id varchar: Kubernetes UID of the pod (`podId`); joins to `pods.pod_id`.
-- pod_name varchar: Name of the pod (`podName`).
-- job_id varchar: Workload that the pod belongs to, in the old API's words (`jobId`).
-- pod_group_id varchar: Pod group of the scheduler (`podGroupId`).
-- cluster_id varchar: Cluster that runs the pod (`clusterUuid`).
-- image_name varchar: Image of the main container (`imageName`).
-- node_id varchar: Node (`nodeId`).
-- phase varchar: Phase of the pod (`phase`).
-- status varchar: Status text (`status`).
-- namespace varchar: Kubernetes namespace; no other endpoint gives it (`namespace`).
-- node_pool varchar: Node pool (`nodePool`).
-- exists_in_cluster boolean: Whether the cluster still has the pod (`existsInCluster`).
-- created_at timestamptz: When the pod was created (`created`).
-- started_at timestamptz: When the pod started (`started`).
-- completed_at timestamptz: When the pod completed (`completed`).
-- last_updated_at timestamptz: When the pod's details were last updated (`lastUpdated`).
-- resource_request json: Requested amounts by resource (`resourceRequest`).
-- resource_allocation json: Allocated amounts by resource (`resourceAllocation`).
-- dynamic_data json: Whatever else the endpoint gave (`dynamicData`).
-- extra json: Fields that the contract does not name, or whose value had an unexpected type.
with stg_cluster_pods as (select * from stg_cluster_pods),

final as (select * from stg_cluster_pods)

select * from final
