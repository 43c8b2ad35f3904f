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
with stg_tolerations as (select * from stg_tolerations),

final as (
    select
        pod_id,
        cast(toleration_index as integer) as toleration_index,
        key,
        operator,
        value,
        effect,
        try_cast(toleration_seconds as double) as toleration_seconds
    from stg_tolerations
)

select * from final
