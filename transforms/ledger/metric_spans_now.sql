-- One row per pod and metric that was asked for now: what of its life was ever asked for, and how much has samples.
with metric_asked as (select * from metric_asked),

metric_spans as (select * from metric_spans),

metric_windows_now as (select * from metric_windows_now),

covered as (
    select
        pod_id,
        metric,
        sum(instants * resolution_seconds) as covered_seconds
    from metric_windows_now
    where is_final
    group by pod_id, metric
),

merged as (
    select
        metric_asked.pod_id,
        metric_asked.metric,
        least(metric_asked.asked_from, metric_spans.asked_from) as asked_from,
        greatest(metric_asked.asked_to, metric_spans.asked_to) as asked_to,
        case
            when metric_asked.asked_to < metric_spans.asked_to then metric_spans.resolution_seconds
            else metric_asked.resolution_seconds
        end as resolution_seconds,
        least(metric_asked.started_at, metric_spans.started_at) as started_at,
        metric_asked.ended_at,
        coalesce(metric_spans.covered_seconds, 0) + coalesce(covered.covered_seconds, 0) as covered_seconds
    from metric_asked
    left join metric_spans using (pod_id, metric)
    left join covered using (pod_id, metric)
),

-- Windows on another grid than those before may begin a step early.
final as (
    select * replace (least(covered_seconds, epoch(asked_to - asked_from)) as covered_seconds)
    from merged
)

select * from final
