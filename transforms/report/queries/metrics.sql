-- One row per metric that samples are wanted of: how much of the wanted time has them, and why the rest has not.
with pod_metric_coverage as (select * from pod_metric_coverage),

final as (
    select
        left(metric, 100) as metric,
        sum(wanted_seconds) / 3600 as wanted_hours,
        sum(covered_seconds) / nullif(sum(wanted_seconds), 0) as coverage,
        count(*) filter (where status = 'pending') as pending,
        count(*) filter (where status = 'failed') as failed,
        count(*) filter (where status in ('partial', 'empty', 'not_found', 'expired')) as incomplete,
        count(*) filter (where status = 'disabled') as disabled
    from pod_metric_coverage
    where status <> 'not_applicable'
    group by metric
    order by metric
    limit 50
)

select * from final
