-- One row per node pool, longest 95th percentile first, after one for all of them (`is_all`): how long pods that were
-- created in the days of the report waited for their start, in seconds; who still waits counts so far.
with report_window as (select * from report_window),

pods as (select * from pods),

pod_lifecycle as (select * from pod_lifecycle),

report_pools as (select * from report_pools),

waits as (
    select
        report_pools.node_pool,
        pod_lifecycle.wait_seconds,
        pods.started_at is null and pod_lifecycle.end_reason is null
        and pod_lifecycle.wait_seconds is not null as is_waiting
    from pods
    inner join pod_lifecycle using (pod_id)
    inner join report_pools using (pod_id)
    inner join report_window
        on
            cast(pods.created_at at time zone report_window.time_zone as date)
            between report_window.first_day and report_window.last_day
),

added as (
    select
        grouping(node_pool) = 1 as is_all,
        node_pool,
        count(*) as pods,
        count(*) filter (where is_waiting) as waiting,
        median(wait_seconds) as median_seconds,
        quantile_cont(wait_seconds, 0.95) as p95_seconds,
        count(wait_seconds) / count(*) as known_share
    from waits
    group by grouping sets ((node_pool), ())
    having count(*) > 0
),

ranked as (
    select
        *,
        count(*) filter (where not is_all) over () as pools,
        row_number() over (
            order by is_all desc, p95_seconds desc nulls last, median_seconds desc nulls last, node_pool asc
        ) as place
    from added
),

final as (
    select
        is_all,
        left(node_pool, 100) as node_pool,
        pods,
        waiting,
        median_seconds,
        p95_seconds,
        known_share,
        pools
    from ranked
    where place <= 13
    order by place
)

select * from final
