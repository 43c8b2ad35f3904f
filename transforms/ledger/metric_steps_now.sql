-- One row per pod, metric and instant at which the resolution that it is asked for at changes.
with metric_outcomes as (select * from metric_outcomes),

metric_steps as (select * from metric_steps),

metric_asked as (select * from metric_asked),

every as (
    select
        pod_id,
        metric,
        window_from as since,
        resolution_seconds
    from metric_outcomes
    where status <> 'disabled'
    union
    select metric_steps.* from metric_steps
    semi join metric_asked using (pod_id, metric)
),

final as (
    select * from every
    qualify resolution_seconds is distinct from lag(resolution_seconds) over (
        partition by pod_id, metric
        order by since, resolution_seconds
    )
)

select * from final
