-- The twenty pods most worth a conversation: GPUs held and not used first, by the GPU-hours that were seen to be idle,
-- then who waits or requested too much. Of those that were there in the days of the report, `pods` says how many.
with report_window as (select * from report_window),

pods as (select * from pods),

pod_lifecycle as (select * from pod_lifecycle),

pod_efficiency as (select * from pod_efficiency),

pod_metric_coverage as (select * from pod_metric_coverage),

report_pools as (select * from report_pools),

measured as (
    select
        pod_id,
        covered_seconds
    from pod_metric_coverage
    where metric = 'GPU_UTILIZATION'
),

found as (
    select
        pods.pod_name,
        coalesce(pods.project_name, pods.project_id) as project,
        report_pools.node_pool,
        pod_efficiency.waste_class,
        pod_efficiency.advice,
        pod_efficiency.coverage,
        pod_efficiency.gpu_percent_avg,
        pod_efficiency.allocated_gpu,
        pod_lifecycle.run_seconds,
        pod_lifecycle.end_reason,
        pod_lifecycle.wait_seconds,
        pods.pod_id,
        pod_efficiency.allocated_gpu * measured.covered_seconds / 3600
        * (1 - least(pod_efficiency.gpu_percent_avg, 100) / 100) as idle_gpu_hours,
        pod_efficiency.waste_class in ('idle_held', 'memory_parked', 'low_sm') as wastes_gpus
    from pod_efficiency
    inner join pods using (pod_id)
    inner join pod_lifecycle using (pod_id)
    left join measured using (pod_id)
    inner join report_pools using (pod_id)
    cross join report_window
    where
        pod_efficiency.advice is not null
        and coalesce(
            cast(pod_lifecycle.ended_at at time zone report_window.time_zone as date) >= report_window.first_day, true
        )
),

final as (
    select
        left(pod_name, 100) as pod_name,
        left(project, 100) as project,
        left(node_pool, 100) as node_pool,
        waste_class,
        left(advice, 400) as advice,
        coverage,
        gpu_percent_avg / 100 as gpu_share,
        allocated_gpu,
        run_seconds,
        end_reason,
        idle_gpu_hours,
        wastes_gpus,
        count(*) over () as pods
    from found
    order by
        wastes_gpus desc,
        idle_gpu_hours desc nulls last,
        waste_class = 'waiting' desc,
        wait_seconds desc nulls last,
        pod_id asc
    limit 20
)

select * from final
