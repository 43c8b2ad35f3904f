-- One row per pod of the deprecated list by cluster, as last read; epoch numbers made instants.
with raw_cluster_pods as (select * from raw_cluster_pods),

final as (
    select
        pod_id,
        pod_name,
        job_id,
        pod_group_id,
        cluster_uuid as cluster_id,
        image_name,
        node_id,
        phase,
        status,
        namespace,
        node_pool,
        exists_in_cluster,
        instant_from_epoch(created) as created_at,
        instant_from_epoch(started) as started_at,
        instant_from_epoch(completed) as completed_at,
        instant_from_epoch(last_updated) as last_updated_at,
        try_cast(resource_request as json) as resource_request,
        try_cast(resource_allocation as json) as resource_allocation,
        try_cast(dynamic_data as json) as dynamic_data,
        try_cast(extra as json) as extra
    from raw_cluster_pods
    qualify row_number() over (
        partition by pod_id
        order by observed_at desc, _dlt_load_id desc, read_index desc
    ) = 1
)

select * from final
