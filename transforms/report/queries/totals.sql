-- One row: GPU-hours of all days of the report, and of what share of them each is known; null where nobody knows.
with report_usage as (select * from report_usage),

final as (
    select
        case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(allocated_gpu_hours) end as allocated,
        sum(used_gpu_hours) as used,
        sum(idle_gpu_hours) as idle,
        case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(unknown_gpu_hours) end as unknown,
        sum(mig_gpu_hours) as mig,
        sum(unseen_gpu_hours) as unseen,
        max(unseen_pods) as unseen_pods,
        sum(used_gpu_hours + idle_gpu_hours) / nullif(sum(allocated_gpu_hours), 0) as known_share,
        sum(allocated_gpu_hours) / nullif(sum(allocated_gpu_hours + coalesce(unseen_gpu_hours, 0)), 0) as seen_share
    from report_usage
)

select * from final
