-- One row per pod whose start is known: the earliest start of a container ever seen, else the deprecated endpoint's.
--
-- first_shown_index is the first version that shows a start; null where the deprecated endpoint alone knows it.
with stg_containers as (select * from stg_containers),

stg_cluster_pods as (select * from stg_cluster_pods),

container_starts as (
    select
        pod_id,
        min(started_at) as started_at,
        min(version_index) as first_shown_index
    from stg_containers
    where started_at is not null
    group by pod_id
),

final as (
    select
        pod_id,
        coalesce(container_starts.started_at, stg_cluster_pods.started_at) as started_at,
        container_starts.first_shown_index
    from container_starts
    full outer join stg_cluster_pods using (pod_id)
    where coalesce(container_starts.started_at, stg_cluster_pods.started_at) is not null
)

select * from final
