-- One row per project that held GPUs, most idle GPU-hours first; all but the first fifteen in one row, `more` of them.
with report_usage as (select * from report_usage),

added as (
    select
        left(coalesce(any_value(project_name), project_id), 100) as project,
        case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(allocated_gpu_hours) end as allocated,
        sum(used_gpu_hours) as used,
        sum(idle_gpu_hours) as idle,
        case when sum(allocated_gpu_hours) > 0 or sum(unseen_pods) = 0 then sum(unknown_gpu_hours) end as unknown,
        sum(unseen_gpu_hours) as unseen,
        sum(unseen_pods) as unseen_pods
    from report_usage
    group by project_id
    having sum(allocated_gpu_hours) > 0 or sum(unseen_pods) > 0
),

ranked as (
    select
        *,
        row_number() over (order by idle desc, allocated desc nulls last, unseen desc, project asc) as place
    from added
),

final as (
    select
        case when any_value(place) <= 15 then any_value(project) end as project,
        case when any_value(place) > 15 then count(*) end as more,
        sum(allocated) as allocated,
        sum(used) as used,
        sum(idle) as idle,
        sum(unknown) as unknown,
        sum(unseen) as unseen,
        sum(unseen_pods) as unseen_pods,
        sum(used + idle) / nullif(sum(allocated), 0) as known_share
    from ranked
    group by least(place, 16)
    order by least(place, 16)
)

select * from final
