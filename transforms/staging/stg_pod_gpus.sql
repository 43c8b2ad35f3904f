-- One row per pod: whether it asked for or got GPUs at all, and whether these are slices (MIG).
--
-- Control planes before 2.21 show a slice as a resource of its own.
with stg_pod_versions as (select * from stg_pod_versions),

stg_pod_last_values as (select * from stg_pod_last_values),

stg_requested_resources as (select * from stg_requested_resources),

stg_allocated_resources as (select * from stg_allocated_resources),

amounts as (
    select
        pod_id,
        resource,
        is_extended,
        requested_text as amount
    from stg_requested_resources
    union all
    select
        pod_id,
        resource,
        is_extended,
        allocated_text as amount
    from stg_allocated_resources
),

by_amount as (
    select
        pod_id,
        bool_or(resource in ('gpu', 'gpu_memory') and not is_extended and quantity(amount) > 0) as has_some,
        bool_or(is_extended and resource like 'nvidia.com/mig-%') as has_slices
    from amounts
    group by pod_id
),

final as (
    select
        latest.pod_id,
        coalesce(by_amount.has_slices, false)
        or stg_pod_last_values.allocated_mig_profile is not null
        or (latest.requested_resources ->> 'migProfile') is not null
        or coalesce((latest.requested_resources ->> 'gpuRequestType') = 'migProfile', false) as is_mig,
        is_mig or coalesce(by_amount.has_some, false) as has_gpu
    from stg_pod_versions as latest
    inner join stg_pod_last_values using (pod_id)
    left join by_amount using (pod_id)
    where latest.is_latest
)

select * from final
