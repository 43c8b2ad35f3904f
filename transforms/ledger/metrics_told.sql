-- One row per metric type that the control plane gave now, or left out: since when it is off, null where it is not.
with metric_outcomes as (select * from metric_outcomes),

told as (
    select
        metric,
        max(asked_at) filter (where status = 'disabled') as asked_at,
        arg_max(reason, asked_at) filter (where status = 'disabled') as reason,
        max(asked_at) filter (where status <> 'disabled') as given_at
    from metric_outcomes
    where status in ('ok', 'short', 'empty', 'disabled')
    group by metric
),

final as (
    select
        metric,
        asked_at,
        reason,
        asked_at is not null and (given_at is null or asked_at > given_at) as is_off
    from told
)

select * from final
