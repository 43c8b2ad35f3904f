-- One row per pod and stretch to ask for, with the metrics that the pod can have, pod by pod.
with metric_wants as (select * from metric_wants),

raw_pods as (select * from raw_pods),

stg_pod_starts as (select * from stg_pod_starts),

gpus as (
    select
        id as pod_id,
        bool_or(may_have_gpu(requested_resources, allocated_resources)) as has_gpu
    from raw_pods
    group by id
),

final as (
    select
        metric_wants.pod_id,
        metric_wants.workload_id,
        metric_wants.since,
        metric_wants.until,
        list(metric_wants.metric order by metric_wants.place) as metrics,
        metric_wants.resolution_seconds,
        stg_pod_starts.started_at,
        metric_wants.ended_at,
        metric_wants.attempt,
        metric_wants.newest_first
    from metric_wants
    inner join gpus using (pod_id)
    left join stg_pod_starts using (pod_id)
    where
        (gpus.has_gpu or not metric_wants.needs_gpu)
        -- One that waits for a node has no samples yet.
        and (stg_pod_starts.started_at is not null or metric_wants.phase is distinct from 'Pending')
    group by all
    order by metric_wants.pod_id, metric_wants.newest_first, metric_wants.since
)

select * from final
