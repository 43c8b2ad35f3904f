-- One row per pod: what it requested, got and used, what it wastes, and one sentence of advice.
--
-- rebuilt by: pod_id
--
-- Means and maxima are those of the samples; a median is that of the hours' medians, a 95th percentile that of the
-- hours' 95th percentiles. What counts as waste is told in transforms/thresholds.toml, of which a copy may be named in
-- the configuration. Interactive is who has one of the priority classes that are listed there. GPUs of MIG pods and of
-- pods of which too few samples are there are `unknown`, never idle. GPU utilization is an upper bound of what the
-- multiprocessors do, so that a low one is `low_sm` without the profiling metrics.
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- is_interactive boolean: Judged by the thresholds of interactive pods.
-- requested_gpu double: GPUs requested.
-- allocated_gpu double: GPUs allocated, last value seen.
-- gpu_percent_avg double: GPU utilization in percent of what was allocated, mean.
-- gpu_percent_p50 double: GPU utilization in percent of what was allocated, median.
-- gpu_percent_p95 double: GPU utilization in percent of what was allocated, 95th percentile.
-- gpu_percent_max double: GPU utilization in percent of what was allocated, maximum.
-- used_gpu_avg double: The same in GPUs; null where no allocation was seen.
-- used_gpu_p50 double: The same in GPUs; null where no allocation was seen.
-- used_gpu_p95 double: The same in GPUs; null where no allocation was seen.
-- used_gpu_max double: The same in GPUs; null where no allocation was seen.
-- gpu_coverage double: Share of the wanted time with samples of GPU utilization, from 0 to 1.
-- requested_gpu_memory_bytes bigint: GPU memory requested.
-- allocated_gpu_memory_bytes bigint: GPU memory allocated, last value seen.
-- used_gpu_memory_avg_bytes bigint: GPU memory used, mean.
-- used_gpu_memory_p50_bytes bigint: GPU memory used, median.
-- used_gpu_memory_p95_bytes bigint: GPU memory used, 95th percentile.
-- used_gpu_memory_max_bytes bigint: GPU memory used, maximum.
-- gpu_memory_coverage double: Share of the wanted time with samples of GPU memory.
-- requested_cpu_cores double: CPU cores requested.
-- allocated_cpu_cores double: CPU cores allocated, last value seen.
-- used_cpu_cores_avg double: CPU cores used, mean.
-- used_cpu_cores_p50 double: CPU cores used, median.
-- used_cpu_cores_p95 double: CPU cores used, 95th percentile.
-- used_cpu_cores_max double: CPU cores used, maximum.
-- cpu_coverage double: Share of the wanted time with samples of CPU cores.
-- requested_cpu_memory_bytes bigint: Memory requested.
-- allocated_cpu_memory_bytes bigint: Memory allocated, last value seen.
-- used_cpu_memory_avg_bytes bigint: Memory used, mean.
-- used_cpu_memory_p50_bytes bigint: Memory used, median.
-- used_cpu_memory_p95_bytes bigint: Memory used, 95th percentile.
-- used_cpu_memory_max_bytes bigint: Memory used, maximum.
-- cpu_memory_coverage double: Share of the wanted time with samples of memory.
-- coverage double: Coverage of what its class rests on: GPU utilization, or CPU cores where it has no GPU.
-- waste_class varchar: `idle_held` (GPUs held and not used), `memory_parked` (hardly used, their memory full), `low_sm`
--     (hardly used), `over_requested_cpu`, `over_requested_memory`, `waiting` (still, for long), `healthy`, `unknown`
--     (MIG, or too few samples) or `too_short` to tell.
-- advice varchar: What to do about it, in one sentence, of pods that ended for the next time; null where there is
--     nothing to do.
with pod_waste as (select * from pod_waste),

measured as (
    select
        *,
        case waste_class
            when 'idle_held'
                then
                    concat(
                        'It used its GPUs at ', in_percent(gpu_avg), ' over the ', in_hours(gpu_covered_seconds),
                        ' measured, and held them for ', in_hours(run_seconds)
                    )
            when 'memory_parked'
                then
                    concat(
                        'It filled ', in_short(gpu_memory_avg / 1073741824), ' GiB of GPU memory and used the GPUs at ',
                        in_percent(gpu_avg)
                    )
            when 'low_sm'
                then
                    concat(
                        'It used its GPUs at ', in_percent(gpu_avg), ' over the ', in_hours(gpu_covered_seconds),
                        ' measured'
                    )
            when 'over_requested_cpu'
                then
                    concat(
                        'It requested ', in_short(requested_cpu_cores), ' CPU cores and hardly ever used more than ',
                        in_short(cpu_p95)
                    )
            when 'over_requested_memory'
                then
                    concat(
                        'It requested ', in_short(requested_cpu_memory_bytes / 1073741824),
                        ' GiB of memory and never used more than ', in_short(cpu_memory_max / 1073741824), ' GiB'
                    )
            when 'waiting' then concat('It has waited for ', in_hours(wait_seconds))
        end as finding
    from pod_waste
),

-- Nobody can end what has ended.
advised as (
    select
        *,
        case waste_class
            when 'idle_held'
                then case
                    when end_reason is null then 'end it, or let it go to sleep while it has nothing to do'
                    else 'next time end it, or let it go to sleep, as soon as it has nothing to do'
                end
            when 'memory_parked'
                then case
                    when end_reason is null
                        then 'ask whether it only keeps a model loaded, and if so let it share a GPU'
                    else 'if it only kept a model loaded, let it share a GPU next time'
                end
            when 'low_sm'
                then case
                    when end_reason is null
                        then 'look for what it waits for, such as data, or give it a part of a GPU'
                    else 'look for what it waited for, such as data, or give it a part of a GPU next time'
                end
            when 'over_requested_cpu'
                then case when end_reason is null then 'request fewer' else 'request fewer next time' end
            when 'over_requested_memory'
                then case when end_reason is null then 'request less' else 'request less next time' end
            when 'waiting' then 'see whether any node pool that it asks for can ever give what it requests'
        end as remedy
    from measured
),

final as (
    select
        pod_id,
        is_interactive,
        requested_gpu,
        allocated_gpu,
        gpu_avg as gpu_percent_avg,
        gpu_p50 as gpu_percent_p50,
        gpu_p95 as gpu_percent_p95,
        gpu_max as gpu_percent_max,
        allocated_gpu * gpu_avg / 100 as used_gpu_avg,
        allocated_gpu * gpu_p50 / 100 as used_gpu_p50,
        allocated_gpu * gpu_p95 / 100 as used_gpu_p95,
        allocated_gpu * gpu_max / 100 as used_gpu_max,
        gpu_coverage,
        requested_gpu_memory_bytes,
        allocated_gpu_memory_bytes,
        cast(round(gpu_memory_avg) as bigint) as used_gpu_memory_avg_bytes,
        cast(round(gpu_memory_p50) as bigint) as used_gpu_memory_p50_bytes,
        cast(round(gpu_memory_p95) as bigint) as used_gpu_memory_p95_bytes,
        cast(round(gpu_memory_max) as bigint) as used_gpu_memory_max_bytes,
        gpu_memory_coverage,
        requested_cpu_cores,
        allocated_cpu_cores,
        cpu_avg as used_cpu_cores_avg,
        cpu_p50 as used_cpu_cores_p50,
        cpu_p95 as used_cpu_cores_p95,
        cpu_max as used_cpu_cores_max,
        cpu_coverage,
        requested_cpu_memory_bytes,
        allocated_cpu_memory_bytes,
        cast(round(cpu_memory_avg) as bigint) as used_cpu_memory_avg_bytes,
        cast(round(cpu_memory_p50) as bigint) as used_cpu_memory_p50_bytes,
        cast(round(cpu_memory_p95) as bigint) as used_cpu_memory_p95_bytes,
        cast(round(cpu_memory_max) as bigint) as used_cpu_memory_max_bytes,
        cpu_memory_coverage,
        case when has_gpu then gpu_coverage else cpu_coverage end as coverage,
        waste_class,
        finding || ': ' || remedy || '.' as advice
    from advised
)

select * from final
