-- One row per toleration of a pod, as its newest version lists them.
--
-- rebuilt by: pod_id
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- toleration_index integer: Place in the API's list, from 0.
-- key varchar: Taint key; empty or null matches every key (`tolerations[].key`).
-- operator varchar: `Exists` or `Equal` (`tolerations[].operator`).
-- value varchar: Taint value (`tolerations[].value`).
-- effect varchar: `NoSchedule`, `PreferNoSchedule` or `NoExecute`; empty or null matches every effect
--     (`tolerations[].effect`).
-- toleration_seconds double: How long the pod stays once tainted; null means for ever
--     (`tolerations[].tolerationSeconds`).
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
        cast(toleration_index as integer) as toleration_index,
        entry.key,
        entry.operator,
        entry.value,
        entry.effect,
        try_cast(entry['tolerationSeconds'] as double) as toleration_seconds
    from numbered
    where type = 'OBJECT'
)

select * from final
