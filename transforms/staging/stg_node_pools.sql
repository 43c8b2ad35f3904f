-- One row per node pool that the newest version of a pod lists; pool_index counts from 0 in the API's order.
with stg_pod_versions as (select * from stg_pod_versions),

final as (
    select
        pod_id,
        unnest(json_extract_string(requested_node_pools, '$[*]')) as node_pool,
        generate_subscripts(json_extract_string(requested_node_pools, '$[*]'), 1) - 1 as pool_index
    from stg_pod_versions
    where is_latest
)

select * from final
