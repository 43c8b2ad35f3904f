-- One row per pod: what it had, what was measured of it, and the class of waste that the thresholds put it into.
with pods as (select * from pods),

pod_lifecycle as (select * from pod_lifecycle),

pod_metric_coverage as (select * from pod_metric_coverage),

stg_pod_use as (select * from stg_pod_use),

stg_pod_gpus as (select * from stg_pod_gpus),

thresholds as (select * from thresholds),

interactive_classes as (select * from interactive_classes),

covered as (
    select
        pod_id,
        max(covered_seconds) filter (where metric = 'GPU_UTILIZATION') as gpu_covered_seconds,
        max(coverage) filter (where metric = 'GPU_UTILIZATION') as gpu_coverage,
        max(coverage) filter (where metric = 'GPU_MEMORY_USAGE_BYTES') as gpu_memory_coverage,
        max(coverage) filter (where metric = 'CPU_USAGE_CORES') as cpu_coverage,
        max(coverage) filter (where metric = 'CPU_MEMORY_USAGE_BYTES') as cpu_memory_coverage
    from pod_metric_coverage
    group by pod_id
),

facts as (
    select
        pods.pod_id,
        pods.phase,
        pods.started_at,
        pods.requested_gpu,
        pods.allocated_gpu,
        pods.requested_gpu_memory_bytes,
        pods.allocated_gpu_memory_bytes,
        pods.requested_cpu_cores,
        pods.allocated_cpu_cores,
        pods.requested_cpu_memory_bytes,
        pods.allocated_cpu_memory_bytes,
        pod_lifecycle.wait_seconds,
        pod_lifecycle.run_seconds,
        pod_lifecycle.end_reason,
        stg_pod_gpus.has_gpu,
        stg_pod_gpus.is_mig,
        stg_pod_use.* exclude (pod_id),
        covered.* exclude (pod_id),
        stg_pod_use.gpu_memory_avg
        / nullif(coalesce(pods.allocated_gpu_memory_bytes, pods.requested_gpu_memory_bytes), 0) as gpu_memory_share,
        interactive_classes.priority_class is not null as is_interactive
    from pods
    inner join pod_lifecycle using (pod_id)
    inner join stg_pod_gpus using (pod_id)
    left join stg_pod_use using (pod_id)
    left join covered using (pod_id)
    left join interactive_classes on pods.priority_class = interactive_classes.priority_class
),

final as (
    select
        facts.*,
        case
            when facts.started_at is null and facts.phase = 'Pending'
                then case
                    when facts.end_reason is null and facts.wait_seconds >= thresholds.wait_minutes * 60
                        then 'waiting'
                    else 'too_short'
                end
            when facts.is_mig then 'unknown'
            when facts.run_seconds < thresholds.min_run_minutes * 60 then 'too_short'
            when
                case when facts.has_gpu then facts.gpu_coverage else facts.cpu_coverage end
                >= thresholds.min_coverage
                and (not facts.has_gpu or facts.gpu_covered_seconds >= thresholds.min_run_minutes * 60)
                then case
                    when
                        facts.has_gpu
                        and facts.gpu_avg <= thresholds.low_gpu_percent
                        and facts.gpu_p95 <= thresholds.low_gpu_peak_percent
                        then case
                            when
                                coalesce(
                                    facts.gpu_memory_share >= thresholds.parked_memory_share,
                                    facts.gpu_memory_avg
                                    >= thresholds.parked_memory_gib * 1073741824 * coalesce(facts.requested_gpu, 1)
                                )
                                then 'memory_parked'
                            when
                                facts.gpu_avg <= thresholds.idle_gpu_percent
                                and facts.gpu_p95 <= thresholds.idle_gpu_percent
                                then 'idle_held'
                            else 'low_sm'
                        end
                    when
                        facts.requested_cpu_cores >= thresholds.min_cpu_cores
                        and facts.cpu_coverage >= thresholds.min_coverage
                        and facts.cpu_p95 <= facts.requested_cpu_cores * thresholds.used_cpu_share
                        then 'over_requested_cpu'
                    when
                        facts.requested_cpu_memory_bytes >= thresholds.min_memory_gib * 1073741824
                        and facts.cpu_memory_coverage >= thresholds.min_coverage
                        and facts.cpu_memory_max
                        <= facts.requested_cpu_memory_bytes * thresholds.used_memory_share
                        then 'over_requested_memory'
                    else 'healthy'
                end
            else 'unknown'
        end as waste_class
    from facts
    inner join thresholds using (is_interactive)
)

select * from final
