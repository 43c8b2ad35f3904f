-- One row per day of the report, the days without a pod on a GPU included: their hours are null.
with report_days as (select * from report_days),

report_usage as (select * from report_usage),

added as (
    select
        day,
        sum(allocated_gpu_hours) as allocated,
        sum(used_gpu_hours) as used,
        sum(idle_gpu_hours) as idle,
        sum(unknown_gpu_hours) as unknown,
        sum(used_gpu_hours + idle_gpu_hours) / nullif(sum(allocated_gpu_hours), 0) as known_share
    from report_usage
    group by day
),

final as (
    select
        strftime(report_days.day, '%Y-%m-%d') as day,
        report_days.label,
        added.* exclude (day)
    from report_days
    left join added on report_days.day = added.day
    order by report_days.day
)

select * from final
