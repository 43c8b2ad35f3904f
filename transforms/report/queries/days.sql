-- One row per day of the report, the days without a pod on a GPU included: their hours are null.
--
-- Null too is what was allocated where nobody saw any allocation of pods that ran: it is not nothing.
with report_days as (select * from report_days),

report_usage as (select * from report_usage),

added as (
    select
        day,
        case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(allocated_gpu_hours) end as allocated,
        sum(used_gpu_hours) as used,
        sum(idle_gpu_hours) as idle,
        case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(unknown_gpu_hours) end as unknown,
        sum(unseen_gpu_hours) as unseen,
        sum(unseen_pods) as unseen_pods,
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
