-- One row per pod, metric and stretch of which samples are to be asked for, whether or not the pod can have them.
--
-- Wanted is a pod's life from the metric floor on. Of it, one stretch without a gap was asked for before: what lies
-- before it is asked for from its newest end backwards, what lies after it forwards. Within it, windows that are not
-- final are asked for again when they are due, until they are given up.
with plan_bounds as (select * from plan_bounds),

plan_types as (select * from plan_types),

stg_metric_lives as (select * from stg_metric_lives),

metric_spans as (select * from metric_spans),

metric_gaps as (select * from metric_gaps),

metrics_off as (select * from metrics_off),

-- What the control plane does not give is asked for again after a day.
wanted_types as (
    select plan_types.*
    from plan_types
    cross join plan_bounds
    left join metrics_off using (metric)
    where metrics_off.asked_at is null or metrics_off.asked_at <= plan_bounds.now_at - interval '24 hours'
),

lives as (
    select
        stg_metric_lives.pod_id,
        stg_metric_lives.workload_id,
        stg_metric_lives.phase,
        stg_metric_lives.is_over,
        stg_metric_lives.ended_at,
        greatest(stg_metric_lives.began_at, plan_bounds.floor_at) as wanted_from,
        least(stg_metric_lives.ended_at, plan_bounds.settled_at) as wanted_to,
        plan_bounds.settled_at,
        plan_bounds.now_at,
        plan_bounds.resolution_seconds
    from stg_metric_lives
    cross join plan_bounds
    where stg_metric_lives.workload_id is not null
),

wanted as (
    select
        *,
        -- Of a pod that runs, whole steps only; of one that is over, all of the last one.
        to_seconds(case when is_over then 0 else resolution_seconds - 1 end) as slack
    from lives
    where wanted_from < wanted_to
),

asked as (
    select
        wanted.*,
        wanted_types.*,
        metric_spans.asked_from,
        metric_spans.asked_to,
        1 as attempt,
        false as was_failure,
        false as is_blank
    from wanted
    cross join wanted_types
    left join metric_spans on wanted.pod_id = metric_spans.pod_id and wanted_types.metric = metric_spans.metric
),

before_what_was_asked as (
    select
        *,
        wanted_from as since,
        coalesce(asked_from, ended_at) as until,
        asked_from is not null as newest_first,
        epoch(coalesce(asked_from, wanted_to) - wanted_from) / resolution_seconds as steps
    from asked
    where asked_from is null or asked_from > wanted_from
),

after_what_was_asked as (
    select
        *,
        asked_to as since,
        ended_at as until,
        false as newest_first,
        epoch(wanted_to - asked_to) / resolution_seconds as steps
    from asked
    where asked_to + slack < wanted_to
),

asked_again as (
    select
        wanted.* replace (metric_gaps.resolution_seconds as resolution_seconds),
        wanted_types.*,
        metric_gaps.window_from as since,
        metric_gaps.window_to as until,
        metric_gaps.attempts + 1 as attempt,
        metric_gaps.status in ('failed', 'not_found') as was_failure,
        metric_gaps.status = 'failed' and metric_gaps.instants = 0 as is_blank,
        false as newest_first,
        epoch(metric_gaps.window_to - metric_gaps.window_from) / metric_gaps.resolution_seconds as steps
    from metric_gaps
    inner join wanted_types using (metric)
    inner join wanted using (pod_id)
    where
        not window_is_given_up(metric_gaps.window_to, metric_gaps.attempts, wanted.now_at)
        -- Asked for in part, it would count as had.
        and metric_gaps.window_to <= wanted.settled_at
        and wanted.now_at >= window_due_at(
            metric_gaps.status, metric_gaps.asked_at, metric_gaps.window_to, metric_gaps.attempts
        )
),

stretches as (
    select * from before_what_was_asked
    union all by name
    select * from after_what_was_asked
    union all by name
    select * from asked_again
),

-- What is over and was not found stays so.
gone as (
    select pod_id
    from metric_gaps
    where status = 'not_found'
),

final as (
    select
        pod_id,
        workload_id,
        metric,
        needs_gpu,
        place,
        phase,
        is_over,
        ended_at,
        since,
        until,
        resolution_seconds,
        attempt,
        was_failure,
        is_blank,
        newest_first,
        steps
    from stretches
    where not (is_over and pod_id in (select gone.pod_id from gone))
)

select * from final
