-- One row per pod and metric that was asked for now: from where to where, and how.
with metric_outcomes as (select * from metric_outcomes),

final as (
    select
        pod_id,
        metric,
        min(window_from) as asked_from,
        max(window_to) as asked_to,
        arg_max(resolution_seconds, window_to) as resolution_seconds,
        min(started_at) as started_at,
        arg_max_null(ended_at, asked_at) as ended_at
    from metric_outcomes
    where status <> 'disabled'
    group by pod_id, metric
)

select * from final
