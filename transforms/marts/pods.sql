-- One row per pod, as last known.
--
-- rebuilt by: pod_id
--
-- The newest version speaks, null included; only node_name, node_pool, project_name, workload_name and allocated_*
-- keep the last value that was not null.
--
-- pod_id varchar: Kubernetes UID of the pod (`id`).
-- pod_name varchar: Name of the pod (`name`).
-- workload_id varchar: Workload that the pod belongs to (`workloadId`).
-- workload_name varchar: Name of the workload, last one seen; only full listings carry it (`workloadName`).
-- project_id varchar: Project of the workload (`projectId`).
-- project_name varchar: Name of the project, last one seen; only full listings carry it (`projectName`).
-- cluster_id varchar: Cluster that runs the pod (`clusterId`).
-- revision_id varchar: Inference revision, null for other workloads (`revisionId`).
-- tenant_id varchar: Tenant of the control plane (`tenantId`).
-- priority_class varchar: Kubernetes priority class (`priorityClassName`).
-- phase varchar: Kubernetes phase as the API last gave it (`k8sPhase`).
-- phase_updated_at timestamptz: When the phase last changed, by the API (`k8sPhaseUpdatedAt`).
-- node_name varchar: Node, last one seen (`nodeName`).
-- node_pool varchar: Node pool of that node, last one seen (`currentNodePool`).
-- pod_ip varchar: Address inside the cluster; null once the pod has ended (`ip`).
-- created_at timestamptz: When the pod was created (`createdAt`).
-- started_at timestamptz: Earliest start of a container ever seen, else the deprecated endpoint's; null where unknown.
-- completed_at timestamptz: When the pod completed (`completedAt`).
-- deleted_at timestamptz: When the pod was deleted (`deletedAt`).
-- updated_at timestamptz: When the control plane last touched the pod (`updatedAt`); recorded, never used as a cursor.
-- first_observed_at timestamptz: When a run first saw the pod.
-- last_observed_at timestamptz: When a run last saw the pod.
-- is_completed boolean: True once the API gave a completion time.
-- is_deleted boolean: True once the API listed the pod as deleted, unless it lists it as alive again since.
-- is_reachable boolean: False where the last look for the pod found nothing, though it was not deleted.
-- gpu_request_type varchar: How GPUs were asked for: `portion`, `memory`, `migProfile` or null (`gpuRequestType`).
-- mig_profile varchar: MIG profile requested (`requestedResources.migProfile`).
-- allocated_mig_profile varchar: MIG profile allocated, last one seen (`allocatedResources.migProfile`).
-- requested_gpu double: GPUs requested, fractions allowed (`requestedResources.gpu.request`).
-- allocated_gpu double: GPUs allocated, last value seen (`allocatedResources.gpu`).
-- requested_gpu_memory_bytes bigint: GPU memory requested, in bytes; null beyond 2^63 (exact in `pod_resources`).
-- allocated_gpu_memory_bytes bigint: GPU memory allocated, in bytes, last value seen.
-- requested_cpu_cores double: CPU cores requested (`requestedResources.cpu.request`).
-- allocated_cpu_cores double: CPU cores allocated, last value seen (`allocatedResources.cpu`).
-- requested_cpu_memory_bytes bigint: Memory requested, in bytes; null beyond 2^63 (exact in `pod_resources`).
-- allocated_cpu_memory_bytes bigint: Memory allocated, in bytes, last value seen.
-- node_affinity json: Node affinity rules (`nodeAffinity`, from 2.22).
-- extra json: Fields of the pod that the contract does not name, or whose value had an unexpected type.
with stg_pod_versions as (select * from stg_pod_versions),

known_pods as (select * from known_pods),

raw_runs as (select * from raw_runs),

stg_pod_starts as (select * from stg_pod_starts),

stg_pod_last_values as (select * from stg_pod_last_values),

pod_resources as (select * from pod_resources),

amounts as (
    select
        pod_id,
        max(requested) filter (where resource = 'gpu') as requested_gpu,
        max(allocated) filter (where resource = 'gpu') as allocated_gpu,
        max(requested) filter (where resource = 'gpu_memory') as requested_gpu_memory,
        max(allocated) filter (where resource = 'gpu_memory') as allocated_gpu_memory,
        max(requested) filter (where resource = 'cpu') as requested_cpu,
        max(allocated) filter (where resource = 'cpu') as allocated_cpu,
        max(requested) filter (where resource = 'cpu_memory') as requested_cpu_memory,
        max(allocated) filter (where resource = 'cpu_memory') as allocated_cpu_memory
    from pod_resources
    where not is_extended
    group by pod_id
),

last_open_set as (
    select max(open_set_read_at) as read_at
    from raw_runs
),

final as (
    select
        latest.pod_id,
        latest.pod_name,
        latest.workload_id,
        known_pods.workload_name,
        latest.project_id,
        known_pods.project_name,
        latest.cluster_id,
        latest.revision_id,
        latest.tenant_id,
        latest.priority_class,
        latest.phase,
        latest.phase_updated_at,
        stg_pod_last_values.node_name,
        stg_pod_last_values.node_pool,
        latest.pod_ip,
        latest.created_at,
        stg_pod_starts.started_at,
        latest.completed_at,
        latest.deleted_at,
        latest.updated_at,
        known_pods.first_observed_at,
        -- An open pod that gave no row was in the last read of the open set, unchanged.
        case
            when known_pods.is_open and known_pods.is_reachable
                then greatest(known_pods.last_observed_at, last_open_set.read_at)
            else known_pods.last_observed_at
        end as last_observed_at,
        known_pods.is_completed,
        known_pods.is_deleted,
        -- A deleted pod that is no longer found has been purged, as it must be sooner or later.
        known_pods.is_reachable or known_pods.is_deleted as is_reachable,
        latest.requested_resources ->> 'gpuRequestType' as gpu_request_type,
        latest.requested_resources ->> 'migProfile' as mig_profile,
        stg_pod_last_values.allocated_mig_profile,
        cast(amounts.requested_gpu as double) as requested_gpu,
        cast(amounts.allocated_gpu as double) as allocated_gpu,
        whole_bytes(amounts.requested_gpu_memory) as requested_gpu_memory_bytes,
        whole_bytes(amounts.allocated_gpu_memory) as allocated_gpu_memory_bytes,
        cast(amounts.requested_cpu as double) as requested_cpu_cores,
        cast(amounts.allocated_cpu as double) as allocated_cpu_cores,
        whole_bytes(amounts.requested_cpu_memory) as requested_cpu_memory_bytes,
        whole_bytes(amounts.allocated_cpu_memory) as allocated_cpu_memory_bytes,
        latest.node_affinity,
        latest.extra
    from stg_pod_versions as latest
    inner join known_pods using (pod_id)
    inner join stg_pod_last_values using (pod_id)
    left join stg_pod_starts using (pod_id)
    left join amounts using (pod_id)
    cross join last_open_set
    where latest.is_latest
)

select * from final
