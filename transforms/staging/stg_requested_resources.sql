-- One row per pod and resource that its newest version requests; amounts are the API's text.
--
-- An extended resource that is listed twice keeps both texts ('1 + 2'): which one holds is not ours to guess.
with stg_pod_versions as (select * from stg_pod_versions),

latest as (
    select
        pod_id,
        requested_resources
    from stg_pod_versions
    where is_latest and json_type(requested_resources) = 'OBJECT'
),

base as (
    select
        pod_id,
        unnest(['gpu', 'gpu_memory', 'cpu', 'cpu_memory']) as resource,
        false as is_extended,
        unnest(json_extract_string(
            requested_resources,
            ['$.gpu.request', '$.gpuMemory.request', '$.cpu.request', '$.cpuMemory.request']
        )) as requested_text,
        unnest(json_extract_string(
            requested_resources,
            ['$.gpu.limit', '$.gpuMemory.limit', '$.cpu.limit', '$.cpuMemory.limit']
        )) as request_limit_text,
        cast(null as boolean) as is_excluded
    from latest
),

listed as (
    select
        pod_id,
        unnest(json_extract(requested_resources, '$.extendedResources[*]')) as entry
    from latest
),

extended as (
    select
        pod_id,
        coalesce(entry ->> 'resource', '') as resource,
        true as is_extended,
        string_agg(entry ->> 'quantity', ' + ') as requested_text,
        cast(null as varchar) as request_limit_text,
        bool_or(try_cast(entry ->> 'exclude' as boolean)) as is_excluded
    from listed
    where json_type(entry) = 'OBJECT'
    group by all
),

final as (
    select * from base
    where requested_text is not null or request_limit_text is not null
    union all
    select * from extended
)

select * from final
