-- One row per pod with samples: of each metric that it can waste, mean, median, 95th percentile and maximum.
--
-- Mean and maximum are those of its samples. The median is that of the hours' medians, and the 95th percentile that of
-- the hours' 95th percentiles: samples are many, and hours are at hand.
with pod_metrics_hourly as (select * from pod_metrics_hourly),

used as (
    select
        pod_id,
        metric,
        -- Exact: a sum of doubles tells in which order it was taken.
        cast(sum(cast(value_avg as decimal(28, 9)) * samples) as double) / sum(samples) as value_avg,
        quantile_cont(value_p50, 0.5) as value_p50,
        quantile_cont(value_p95, 0.95) as value_p95,
        max(value_max) as value_max
    from pod_metrics_hourly
    where
        gpu is null
        and samples > 0
        and metric in ('GPU_UTILIZATION', 'GPU_MEMORY_USAGE_BYTES', 'CPU_USAGE_CORES', 'CPU_MEMORY_USAGE_BYTES')
    group by pod_id, metric
),

final as (
    select
        pod_id,
        any_value(value_avg) filter (where metric = 'GPU_UTILIZATION') as gpu_avg,
        any_value(value_p50) filter (where metric = 'GPU_UTILIZATION') as gpu_p50,
        any_value(value_p95) filter (where metric = 'GPU_UTILIZATION') as gpu_p95,
        any_value(value_max) filter (where metric = 'GPU_UTILIZATION') as gpu_max,
        any_value(value_avg) filter (where metric = 'GPU_MEMORY_USAGE_BYTES') as gpu_memory_avg,
        any_value(value_p50) filter (where metric = 'GPU_MEMORY_USAGE_BYTES') as gpu_memory_p50,
        any_value(value_p95) filter (where metric = 'GPU_MEMORY_USAGE_BYTES') as gpu_memory_p95,
        any_value(value_max) filter (where metric = 'GPU_MEMORY_USAGE_BYTES') as gpu_memory_max,
        any_value(value_avg) filter (where metric = 'CPU_USAGE_CORES') as cpu_avg,
        any_value(value_p50) filter (where metric = 'CPU_USAGE_CORES') as cpu_p50,
        any_value(value_p95) filter (where metric = 'CPU_USAGE_CORES') as cpu_p95,
        any_value(value_max) filter (where metric = 'CPU_USAGE_CORES') as cpu_max,
        any_value(value_avg) filter (where metric = 'CPU_MEMORY_USAGE_BYTES') as cpu_memory_avg,
        any_value(value_p50) filter (where metric = 'CPU_MEMORY_USAGE_BYTES') as cpu_memory_p50,
        any_value(value_p95) filter (where metric = 'CPU_MEMORY_USAGE_BYTES') as cpu_memory_p95,
        any_value(value_max) filter (where metric = 'CPU_MEMORY_USAGE_BYTES') as cpu_memory_max
    from used
    group by pod_id
)

select * from final
