-- One row per node pool that a pod asked for, as its newest version lists them.
--
-- rebuilt by: pod_id
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- pool_index integer: Order of preference, from 0.
-- node_pool varchar: Name of the node pool (`requestedNodePools[]`).
-- is_current boolean: True for the pool that the pod runs or last ran in.
with stg_pod_versions as (select * from stg_pod_versions),

stg_pod_last_values as (select * from stg_pod_last_values),

listed as (
    select
        pod_id,
        unnest(json_extract_string(requested_node_pools, '$[*]')) as node_pool,
        generate_subscripts(json_extract_string(requested_node_pools, '$[*]'), 1) - 1 as pool_index
    from stg_pod_versions
    where is_latest
),

final as (
    select
        listed.pod_id,
        cast(listed.pool_index as integer) as pool_index,
        listed.node_pool,
        coalesce(listed.node_pool = stg_pod_last_values.node_pool, false) as is_current
    from listed
    inner join stg_pod_last_values using (pod_id)
    where listed.node_pool is not null
)

select * from final
