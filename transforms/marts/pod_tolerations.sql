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
        unnest(json_extract(tolerations, '$[*]')) as entry,
        generate_subscripts(json_extract(tolerations, '$[*]'), 1) - 1 as toleration_index
    from stg_pod_versions
    where is_latest
),

final as (
    select
        pod_id,
        cast(toleration_index as integer) as toleration_index,
        entry ->> 'key' as key,
        entry ->> 'operator' as operator,
        entry ->> 'value' as value,
        entry ->> 'effect' as effect,
        try_cast(entry ->> 'tolerationSeconds' as double) as toleration_seconds
    from listed
    where json_type(entry) = 'OBJECT'
)

select * from final
