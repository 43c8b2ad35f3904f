-- One row per pod and stretch to ask for, with the metrics that the pod can have, pod by pod.
--
-- Neighbours that failed are asked for together, in one request where they fit into one: a request must hold whole
-- windows of before, for what is cut and lost half-way would count as had.
--
-- Of a pod that shows no sign of a NIM, NIM types are asked for in full requests only and once it is over, and what
-- came without samples is final.
with metric_wants as (select * from metric_wants),

stg_nim_pods as (select * from stg_nim_pods),

stg_pod_starts as (select * from stg_pod_starts),

fitting as (
    select
        metric_wants.*,
        stg_pod_starts.started_at,
        is_nim(metric_wants.metric)
        and not metric_wants.shows_nim
        and stg_nim_pods.pod_id is null as is_unlikely
    from metric_wants
    left join stg_nim_pods using (pod_id)
    left join stg_pod_starts using (pod_id)
    where
        -- One that waits for a node has no samples yet.
        stg_pod_starts.started_at is not null or metric_wants.phase is distinct from 'Pending'
),

worthwhile as (
    select * from fitting
    where
        not is_unlikely
        or was_failure
        or (attempt = 1 and (is_over or newest_first or steps >= 1000))
),

stretches as (
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
        newest_first,
        -- Two of these fit into one request.
        is_blank and steps <= 500 as is_small
    from worthwhile
    group by all
),

neighbours as (
    select
        *,
        lag(until) over (partition by pod_id, metrics, resolution_seconds, is_small order by since) as until_before
    from stretches
),

rows_of_neighbours as (
    select
        *,
        sum(case when is_small and since = until_before then 0 else 1 end) over (
            partition by pod_id, metrics, resolution_seconds, is_small
            order by since
            rows between unbounded preceding and current row
        ) as row_index
    from neighbours
),

-- Each part ends within the same 500 steps, and begins at most 500 before them.
parts as (
    select
        *,
        case
            when is_small
                then floor((epoch(until - min(since) over row_of_them) / resolution_seconds - 1) / 500)
        end as part_index
    from rows_of_neighbours
    window row_of_them as (partition by pod_id, metrics, resolution_seconds, is_small, row_index)
),

final as (
    select
        pod_id,
        workload_id,
        min(since) as since,
        max(until) as until,
        metrics,
        resolution_seconds,
        started_at,
        ended_at,
        -- As often as the one that was asked for least.
        min(attempt) as attempt,
        newest_first
    from parts
    group by
        pod_id, workload_id, metrics, resolution_seconds, started_at, ended_at, newest_first, is_small, row_index,
        part_index
    order by pod_id, newest_first, since
)

select * from final
