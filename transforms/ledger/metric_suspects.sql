-- One row per stretch of a pod's life of which samples may be there already.
--
-- Windows of one pod and metric do not overlap, so that is so only where a window touches what was asked for before, or
-- another new window: at an edge, or all of it when it was asked for again.
with metric_outcomes as (select * from metric_outcomes),

metric_spans as (select * from metric_spans),

known_before as (
    select
        new_ones.pod_id,
        greatest(new_ones.window_from, metric_spans.asked_from) as from_at,
        least(new_ones.window_to, metric_spans.asked_to) as to_at
    from metric_outcomes as new_ones
    inner join metric_spans using (pod_id, metric)
    where new_ones.window_from <= metric_spans.asked_to and new_ones.window_to >= metric_spans.asked_from
),

in_order as (
    select
        *,
        max(window_to) over (
            partition by pod_id, metric
            order by window_from, window_to
            rows between unbounded preceding and 1 preceding
        ) as asked_to
    from metric_outcomes
),

final as (
    select
        pod_id,
        from_at,
        to_at
    from known_before
    union
    select
        pod_id,
        window_from as from_at,
        least(window_to, asked_to) as to_at
    from in_order
    where window_from <= asked_to
)

select * from final
