-- One row per stretch of `pod_stretches` and day in the time zone of the reports: its part that lies in that day.
with pod_stretches as (select * from pod_stretches),

reporting as (select * from reporting),

parts as (
    select
        pod_stretches.*,
        unnest(parts_by_day(pod_stretches.from_at, pod_stretches.to_at, reporting.time_zone)) as part
    from pod_stretches
    cross join reporting
),

final as (
    select
        * exclude (part, from_at, to_at),
        part.day,
        part.from_at,
        part.to_at
    from parts
)

select * from final
