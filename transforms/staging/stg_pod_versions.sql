-- One row per reading of a pod, in the order in which they were observed; version_index counts from 0.
--
-- JSON that cannot be read is null here. Order: observed_at, then load, then place in the load.
with raw_pods as (select * from raw_pods),

final as (
    select
        id as pod_id,
        row_number() over pod - 1 as version_index,
        name as pod_name,
        workload_id,
        workload_name,
        revision_id,
        project_id,
        project_name,
        cluster_id,
        tenant_id,
        priority_class_name as priority_class,
        k8s_phase as phase,
        known_instant(k8s_phase_updated_at) as phase_updated_at,
        node_name,
        current_node_pool as node_pool,
        ip as pod_ip,
        known_instant(created_at) as created_at,
        known_instant(completed_at) as completed_at,
        known_instant(deleted_at) as deleted_at,
        known_instant(updated_at) as updated_at,
        is_deleted,
        try_cast(containers as json) as containers,
        try_cast(requested_node_pools as json) as requested_node_pools,
        try_cast(requested_resources as json) as requested_resources,
        try_cast(allocated_resources as json) as allocated_resources,
        try_cast(tolerations as json) as tolerations,
        try_cast(node_affinity as json) as node_affinity,
        try_cast(extra as json) as extra,
        content_hash,
        observed_at,
        row_number() over pod = count(*) over (partition by id) as is_latest
    from raw_pods
    window pod as (partition by id order by observed_at, _dlt_load_id, read_index)
)

select * from final
