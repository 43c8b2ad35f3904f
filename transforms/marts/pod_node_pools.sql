-- One row per node pool that a pod asked for, as its newest version lists them.
--
-- rebuilt by: pod_id
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- pool_index integer: Order of preference, from 0.
-- node_pool varchar: Name of the node pool (`requestedNodePools[]`).
-- is_current boolean: True for the pool that the pod runs or last ran in.
with stg_node_pools as (select * from stg_node_pools),

stg_pod_last_values as (select * from stg_pod_last_values),

final as (
    select
        stg_node_pools.pod_id,
        cast(stg_node_pools.pool_index as integer) as pool_index,
        stg_node_pools.node_pool,
        coalesce(stg_node_pools.node_pool = stg_pod_last_values.node_pool, false) as is_current
    from stg_node_pools
    inner join stg_pod_last_values using (pod_id)
    where stg_node_pools.node_pool is not null
)

select * from final
