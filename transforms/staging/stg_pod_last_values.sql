-- One row per pod: what of it keeps the last value that was not null.
with stg_pod_versions as (select * from stg_pod_versions),

final as (
    select
        pod_id,
        max_by(node_name, version_index) as node_name,
        max_by(node_pool, version_index) as node_pool,
        max_by(allocated_resources ->> 'migProfile', version_index) as allocated_mig_profile
    from stg_pod_versions
    group by pod_id
)

select * from final
