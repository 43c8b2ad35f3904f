-- One row per pod and resource that was ever allocated to it; the amount is the last one seen, as the API's text.
--
-- The API may drop an allocation when the pod ends, so each resource keeps its last value that was not null.
with stg_pod_versions as (select * from stg_pod_versions),

allocations as (
    select
        pod_id,
        version_index,
        allocated_resources
    from stg_pod_versions
    where json_type(allocated_resources) = 'OBJECT'
),

base as (
    select
        pod_id,
        version_index,
        unnest(['gpu', 'gpu_memory', 'cpu', 'cpu_memory']) as resource,
        false as is_extended,
        unnest(json_extract_string(
            allocated_resources,
            ['$.gpu', '$.gpuMemory', '$.cpu', '$.cpuMemory']
        )) as allocated_text,
        cast(null as boolean) as is_excluded
    from allocations
),

listed as (
    select
        pod_id,
        version_index,
        unnest(json_extract(allocated_resources, '$.extendedResources[*]')) as entry
    from allocations
),

extended as (
    select
        pod_id,
        version_index,
        coalesce(entry ->> 'resource', '') as resource,
        true as is_extended,
        string_agg(entry ->> 'quantity', ' + ') as allocated_text,
        bool_or(try_cast(entry ->> 'exclude' as boolean)) as is_excluded
    from listed
    where json_type(entry) = 'OBJECT'
    group by all
),

united as (
    select * from base
    union all
    select * from extended
),

final as (
    select
        pod_id,
        resource,
        is_extended,
        max_by(allocated_text, version_index) as allocated_text,
        max_by(is_excluded, version_index) as is_excluded
    from united
    where allocated_text is not null or is_extended
    group by pod_id, resource, is_extended
)

select * from final
