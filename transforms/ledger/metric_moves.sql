-- One row per stretch of a pod's life of which other samples are expected now than before.
with metric_spans as (select * from metric_spans),

metric_spans_now as (select * from metric_spans_now),

bounds as (
    select
        now_asked.pod_id,
        unnest([
            greatest(metric_spans.asked_from, metric_spans.started_at),
            least(metric_spans.asked_to, metric_spans.ended_at)
        ]) as before_at,
        unnest([
            greatest(now_asked.asked_from, now_asked.started_at), least(now_asked.asked_to, now_asked.ended_at)
        ]) as after_at
    from metric_spans_now as now_asked
    inner join metric_spans using (pod_id, metric)
),

final as (
    select distinct
        pod_id,
        least(before_at, after_at) as from_at,
        greatest(before_at, after_at) as to_at
    from bounds
    where before_at <> after_at
)

select * from final
