-- One row per stretch of time in which a pod held the same GPUs, CPU cores and memory in one node pool.
--
-- Pods without a GPU are in here too. What was not seen as allocated is null.
with pods as (select * from pods),

pod_node_pools as (select * from pod_node_pools),

pod_history as (select * from pod_history),

stg_pod_gpus as (select * from stg_pod_gpus),

stg_pod_lives as (select * from stg_pod_lives),

held as (
    select
        pod_history.pod_id,
        -- As in pod_stretches, so that GPU-hours are in the same pools.
        short(coalesce(pod_history.node_pool, pods.node_pool, pod_node_pools.node_pool)) as node_pool,
        case when stg_pod_gpus.has_gpu then pod_history.allocated_gpu end as gpus,
        pod_history.allocated_cpu_cores as cpu_cores,
        pod_history.allocated_cpu_memory_bytes as cpu_memory_bytes,
        greatest(pod_history.valid_from, stg_pod_lives.holds_from) as from_at,
        least(coalesce(pod_history.valid_to, stg_pod_lives.lasts_until), stg_pod_lives.lasts_until) as to_at
    from pod_history
    inner join pods on pod_history.pod_id = pods.pod_id
    inner join stg_pod_gpus on pod_history.pod_id = stg_pod_gpus.pod_id
    inner join stg_pod_lives on pod_history.pod_id = stg_pod_lives.pod_id
    left join pod_node_pools on pod_history.pod_id = pod_node_pools.pod_id and pod_node_pools.pool_index = 0
    where stg_pod_lives.holds_from is not null
),

final as (
    select * from held
    where from_at < to_at and coalesce(gpus, cpu_cores, cpu_memory_bytes) is not null
)

select * from final
