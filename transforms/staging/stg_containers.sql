-- One row per container of a version of a pod; container_index counts from 0 in the API's order.
with stg_pod_versions as (select * from stg_pod_versions),

listed as (
    select
        pod_id,
        version_index,
        is_latest,
        unnest(json_extract(containers, '$[*]')) as container,
        generate_subscripts(json_extract(containers, '$[*]'), 1) - 1 as container_index
    from stg_pod_versions
),

final as (
    select
        pod_id,
        version_index,
        is_latest,
        cast(container_index as integer) as container_index,
        container ->> '$.name' as container_name,
        container ->> '$.image' as image,
        instant_from_text(container ->> '$.startedAt') as started_at
    from listed
    where json_type(container) = 'OBJECT'
)

select * from final
