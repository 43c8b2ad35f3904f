-- One row per container of a version of a pod; container_index counts from 0 in the API's order.
with stg_pod_versions as (select * from stg_pod_versions),

listed as (
    select
        pod_id,
        version_index,
        is_latest,
        -- One reading of the text for all fields; types apart, for what is no object transforms to nulls.
        json_transform(
            containers, '[{"name": "VARCHAR", "image": "VARCHAR", "startedAt": "VARCHAR"}]'
        ) as entries,
        json_type(containers, '$[*]') as types
    from stg_pod_versions
),

numbered as (
    select
        pod_id,
        version_index,
        is_latest,
        unnest(entries) as container,
        unnest(types) as type,
        generate_subscripts(types, 1) - 1 as container_index
    from listed
),

final as (
    select
        pod_id,
        version_index,
        is_latest,
        cast(container_index as integer) as container_index,
        container.name as container_name,
        container.image,
        instant_from_text(container['startedAt']) as started_at
    from numbered
    where type = 'OBJECT'
)

select * from final
