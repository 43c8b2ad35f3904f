-- One row per pod: the node pool that it is in, or else the one that it asked for first.
with pods as (select * from pods),

pod_node_pools as (select * from pod_node_pools),

final as (
    select
        pods.pod_id,
        coalesce(pods.node_pool, pod_node_pools.node_pool) as node_pool
    from pods
    left join pod_node_pools on pods.pod_id = pod_node_pools.pod_id and pod_node_pools.pool_index = 0
)

select * from final
