-- One row per metric type to ask for: what the control plane does not give is asked for again after a day.
with plan_bounds as (select * from plan_bounds),

plan_types as (select * from plan_types),

metrics_off as (select * from metrics_off),

final as (
    select plan_types.*
    from plan_types
    cross join plan_bounds
    left join metrics_off using (metric)
    where metrics_off.asked_at is null or metrics_off.asked_at <= plan_bounds.now_at - interval '24 hours'
)

select * from final
