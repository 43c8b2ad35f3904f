-- One row per pod and resource that it requested or was allocated, zero included.
--
-- rebuilt by: pod_id
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- resource varchar: `gpu`, `gpu_memory`, `cpu`, `cpu_memory`, or the name of an extended resource
--     (`requestedResources.extendedResources[].resource`; empty where the API names none).
-- is_extended boolean: True for an extended resource.
-- unit varchar: `gpu`, `bytes` or `cores`; null for extended resources, whose names say it.
-- requested decimal(38, 9): Amount requested, exact; null where nothing was requested or the text is no quantity.
-- request_limit decimal(38, 9): Limit of the request (`limit`), exact; never used as the request.
-- allocated decimal(38, 9): Amount last seen as allocated, exact; it survives the pod's end.
-- requested_text varchar: The requested amount as the API wrote it.
-- request_limit_text varchar: The limit as the API wrote it.
-- allocated_text varchar: The allocated amount as the API wrote it.
-- is_excluded boolean: `exclude` of an extended resource: true where it is taken out of an inherited request.
with stg_requested_resources as (select * from stg_requested_resources),

stg_allocated_resources as (select * from stg_allocated_resources),

final as (
    select
        pod_id,
        resource,
        is_extended,
        case
            when is_extended then null
            when resource = 'gpu' then 'gpu'
            when resource = 'cpu' then 'cores'
            else 'bytes'
        end as unit,
        quantity(stg_requested_resources.requested_text) as requested,
        quantity(stg_requested_resources.request_limit_text) as request_limit,
        quantity(stg_allocated_resources.allocated_text) as allocated,
        stg_requested_resources.requested_text,
        stg_requested_resources.request_limit_text,
        stg_allocated_resources.allocated_text,
        coalesce(stg_requested_resources.is_excluded, stg_allocated_resources.is_excluded) as is_excluded
    from stg_requested_resources
    full outer join stg_allocated_resources using (pod_id, resource, is_extended)
)

select * from final
