-- One row per pod, metric and stretch of which samples are to be asked for.
--
-- Of what is wanted of a pod's life, one stretch without a gap was asked for before: what lies before it is asked for
-- from its newest end backwards, what lies after it forwards. Within it, windows that are not final are asked for again
-- when they are due, until they are given up.
with wanted_lives as (select * from wanted_lives),

wanted_types as (select * from wanted_types),

metric_spans as (select * from metric_spans),

metric_gaps as (select * from metric_gaps),

asked as (
    select
        wanted_lives.*,
        wanted_types.*,
        metric_spans.asked_from,
        metric_spans.asked_to,
        1 as attempt,
        false as was_failure,
        false as is_blank
    from wanted_lives
    inner join wanted_types on wanted_lives.has_gpu or not wanted_types.needs_gpu
    left join metric_spans on wanted_lives.pod_id = metric_spans.pod_id and wanted_types.metric = metric_spans.metric
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
        wanted_lives.* replace (metric_gaps.resolution_seconds as resolution_seconds),
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
    inner join wanted_lives
        on metric_gaps.pod_id = wanted_lives.pod_id and (wanted_lives.has_gpu or not wanted_types.needs_gpu)
    where
        not window_is_given_up(metric_gaps.window_to, metric_gaps.attempts, wanted_lives.now_at)
        -- Asked for in part, it would count as had.
        and metric_gaps.window_to <= wanted_lives.settled_at
        and wanted_lives.now_at >= window_due_at(
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
        place,
        phase,
        shows_nim,
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
