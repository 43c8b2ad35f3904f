-- One row per stretch of `pod_stretches` and day in the time zone of the reports: its part that lies in that day.
with pod_stretches as (select * from pod_stretches),

reporting as (select * from reporting),

touched as (
    select
        pod_stretches.*,
        reporting.time_zone,
        cast(unnest(days_touched(pod_stretches.from_at, pod_stretches.to_at, reporting.time_zone)) as date) as day
    from pod_stretches
    cross join reporting
),

cut as (
    select
        * replace (
            greatest(from_at, local_day_start(day, time_zone)) as from_at,
            least(to_at, local_day_start(day + 1, time_zone)) as to_at
        )
    from touched
),

final as (
    select * from cut
    where from_at < to_at
)

select * from final
