-- One row per window and metric that was asked for now, or is not final yet, as all that was asked of it tells.
with metric_outcomes as (select * from metric_outcomes),

metric_gaps as (select * from metric_gaps),

metric_asked as (select * from metric_asked),

every as (
    select * from metric_outcomes
    where status <> 'disabled'
    union all by name
    select metric_gaps.* from metric_gaps
    semi join metric_asked using (pod_id, metric)
),

-- What was asked for again in shorter windows, or in one with its neighbours, is theirs now. Whatever was cut from one
-- window is in one load, so that where a part is, the whole is; windows of one resolution lie on one grid.
own as (
    select * from every
    where status = 'ok' or not exists (
        select 1 from metric_outcomes as later
        where
            later.pod_id = every.pod_id
            and later.metric = every.metric
            and later.resolution_seconds = every.resolution_seconds
            and later.window_from < every.window_to
            and later.window_to > every.window_from
            and (later.window_from, later.window_to) <> (every.window_from, every.window_to)
            and later.asked_at > every.asked_at
            and later.status <> 'disabled'
            -- What came stays: that nothing is told any more of a part of it takes nothing back.
            and (every.instants = 0 or later.status not in ('failed', 'not_found'))
    )
),

folded as (
    select
        pod_id,
        metric,
        window_from,
        window_to,
        resolution_seconds,
        arg_max(status, asked_at) as status,
        arg_max(reason, asked_at) as reason,
        max(instants) as instants,
        max(expected_samples) as expected_samples,
        max(attempts) as attempts,
        max(asked_at) as asked_at
    from own
    group by all
),

final as (
    select
        *,
        window_is_final(status, asked_at, window_to, attempts) as is_final
    from folded
)

select * from final
