-- One row per day of the report and node pool, of the twelve with most GPU-hours; `pools` counts all of them.
--
-- `share` is used over what is known of the use: hours of which nobody knows it are no idle ones.
with report_days as (select * from report_days),

report_usage as (select * from report_usage),

ranked as (
    select
        node_pool,
        count(*) over () as pools,
        row_number() over (order by sum(allocated_gpu_hours + unseen_gpu_hours) desc, node_pool asc) as place
    from report_usage
    group by node_pool
    having sum(allocated_gpu_hours) > 0 or sum(unseen_pods) > 0
),

added as (
    select
        day,
        node_pool,
        sum(allocated_gpu_hours) as allocated,
        sum(unseen_pods) as unseen_pods,
        sum(used_gpu_hours) as used,
        sum(used_gpu_hours + idle_gpu_hours) as known
    from report_usage
    group by day, node_pool
),

final as (
    select
        ranked.place,
        left(ranked.node_pool, 100) as node_pool,
        ranked.pools,
        strftime(report_days.day, '%Y-%m-%d') as day,
        report_days.label,
        added.allocated,
        added.unseen_pods,
        added.used / nullif(added.known, 0) as share,
        added.known / nullif(added.allocated, 0) as known_share
    from ranked
    cross join report_days
    left join added
        on
            report_days.day = added.day
            and ranked.node_pool is not distinct from added.node_pool
    where ranked.place <= 12
    order by ranked.place, report_days.day
)

select * from final
