-- One row per stretch of time in which a pod that concerns GPUs waited, or held as many of them in one node pool.
--
-- A pod that waits is counted where it landed later, and until then in the pool that it asked for first. gpus is null
-- where the pod ran and no allocation was seen.
with pods as (select * from pods),

stg_pod_gpus as (select * from stg_pod_gpus),

pod_node_pools as (select * from pod_node_pools),

pod_history as (select * from pod_history),

stg_pod_lives as (select * from stg_pod_lives),

gpu_pods as (
    select
        pods.pod_id,
        stg_pod_gpus.is_mig,
        pods.requested_gpu,
        short(coalesce(pods.node_pool, pod_node_pools.node_pool)) as node_pool
    from pods
    inner join stg_pod_gpus on pods.pod_id = stg_pod_gpus.pod_id and stg_pod_gpus.has_gpu
    left join pod_node_pools on pods.pod_id = pod_node_pools.pod_id and pod_node_pools.pool_index = 0
),

waits as (
    select
        pod_id,
        true as is_waiting,
        gpu_pods.is_mig,
        gpu_pods.node_pool,
        null as gpus,
        null as unseen_gpus,
        stg_pod_lives.created_at as from_at,
        stg_pod_lives.waits_until as to_at
    from gpu_pods
    inner join stg_pod_lives using (pod_id)
),

holds as (
    select
        pod_id,
        false as is_waiting,
        gpu_pods.is_mig,
        coalesce(short(pod_history.node_pool), gpu_pods.node_pool) as node_pool,
        pod_history.allocated_gpu as gpus,
        case when pod_history.allocated_gpu is null then gpu_pods.requested_gpu end as unseen_gpus,
        greatest(pod_history.valid_from, stg_pod_lives.holds_from) as from_at,
        least(coalesce(pod_history.valid_to, stg_pod_lives.lasts_until), stg_pod_lives.lasts_until) as to_at
    from gpu_pods
    inner join stg_pod_lives using (pod_id)
    inner join pod_history using (pod_id)
    where
        stg_pod_lives.holds_from is not null
        -- Before a start that nobody told, a pod without an allocation may have waited.
        and (pod_history.allocated_gpu is not null or stg_pod_lives.started_at is not null)
),

final as (
    select * from waits
    where from_at < to_at
    union all
    select * from holds
    where from_at < to_at
)

select * from final
