-- One row per pod and stretch to ask for, with the metrics that the pod can have, pod by pod.
--
-- Of a pod that shows no sign of a NIM, NIM types are asked for in full requests only and once it is over, and what
-- came without samples is final.
with metric_wants as (select * from metric_wants),

stg_pod_equipment as (select * from stg_pod_equipment),

stg_nim_pods as (select * from stg_nim_pods),

stg_pod_starts as (select * from stg_pod_starts),

fitting as (
    select
        metric_wants.*,
        stg_pod_starts.started_at,
        is_nim(metric_wants.metric)
        and not stg_pod_equipment.shows_nim
        and stg_nim_pods.pod_id is null as is_unlikely
    from metric_wants
    inner join stg_pod_equipment using (pod_id)
    left join stg_nim_pods using (pod_id)
    left join stg_pod_starts using (pod_id)
    where
        (stg_pod_equipment.has_gpu or not metric_wants.needs_gpu)
        -- One that waits for a node has no samples yet.
        and (stg_pod_starts.started_at is not null or metric_wants.phase is distinct from 'Pending')
),

worthwhile as (
    select * from fitting
    where
        not is_unlikely
        or was_failure
        or (attempt = 1 and (is_over or newest_first or steps >= 1000))
),

final as (
    select
        pod_id,
        workload_id,
        since,
        until,
        list(metric order by place) as metrics,
        resolution_seconds,
        started_at,
        ended_at,
        attempt,
        newest_first
    from worthwhile
    group by all
    order by pod_id, newest_first, since
)

select * from final
