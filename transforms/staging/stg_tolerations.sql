-- One row per toleration that the newest version of a pod lists; toleration_index counts from 0 in the API's order.
with stg_pod_versions as (select * from stg_pod_versions),

listed as (
    select
        pod_id,
        -- One reading of the text for all fields; types apart, for what is no object transforms to nulls.
        json_transform(
            tolerations,
            '[{
                "key": "VARCHAR", "operator": "VARCHAR", "value": "VARCHAR", "effect": "VARCHAR",
                "tolerationSeconds": "VARCHAR"
            }]'
        ) as entries,
        json_type(tolerations, '$[*]') as types
    from stg_pod_versions
    where is_latest
),

numbered as (
    select
        pod_id,
        unnest(entries) as entry,
        unnest(types) as type,
        generate_subscripts(types, 1) - 1 as toleration_index
    from listed
),

final as (
    select
        pod_id,
        toleration_index,
        entry.key,
        entry.operator,
        entry.value,
        entry.effect,
        entry['tolerationSeconds'] as toleration_seconds
    from numbered
    where type = 'OBJECT'
)

select * from final
