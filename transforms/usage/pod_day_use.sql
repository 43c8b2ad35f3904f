-- One row per pod, day and node pool with samples: GPU time that they cover, and how much of it was used.
--
-- Hours are those of UTC, and days of other zones may begin within one. The samples of an hour count for each part of
-- it alike: for as much of the part as was asked for, times the hour's coverage. GPUs of MIG pods report 0 by design.
with pod_day_stretches as (select * from pod_day_stretches),

pod_metrics_hourly as (select * from pod_metrics_hourly),

metric_spans as (select * from metric_spans),

reporting as (select * from reporting),

measured as (
    select
        pod_metrics_hourly.pod_id,
        pod_metrics_hourly.hour_at,
        pod_metrics_hourly.hour_at + interval '1 hour' as next_hour_at,
        pod_metrics_hourly.coverage,
        least(greatest(pod_metrics_hourly.value_avg, 0), 100) / 100 as utilization,
        metric_spans.asked_from,
        metric_spans.asked_to
    from pod_metrics_hourly
    inner join metric_spans using (pod_id, metric)
    where metric = 'GPU_UTILIZATION' and pod_metrics_hourly.gpu is null and pod_metrics_hourly.value_avg is not null
),

-- An hour lies in one day or in two.
dated as (
    select
        measured.*,
        unnest(list_distinct([
            local_day(measured.hour_at, reporting.time_zone),
            local_day(measured.next_hour_at - interval '1 microsecond', reporting.time_zone)
        ])) as day
    from measured
    cross join reporting
),

parts as (
    select
        pod_id,
        day,
        pod_day_stretches.node_pool,
        dated.coverage,
        dated.utilization,
        gpu_micros(
            pod_day_stretches.gpus,
            greatest(pod_day_stretches.from_at, dated.hour_at, dated.asked_from),
            least(pod_day_stretches.to_at, dated.next_hour_at, dated.asked_to)
        ) as gpu_micros
    from pod_day_stretches
    inner join dated using (pod_id, day)
    where not pod_day_stretches.is_mig
),

-- Shares are doubles, and what they give may be more than the whole by less than any clock can tell.
shares as (
    select
        *,
        least(cast(gpu_micros * coverage as decimal(38, 9)), gpu_micros) as covered,
        least(cast(gpu_micros * coverage * utilization as decimal(38, 9)), covered) as used
    from parts
    where gpu_micros > 0
),

final as (
    select
        pod_id,
        day,
        node_pool,
        sum(covered) as covered_gpu_micros,
        sum(used) as used_gpu_micros
    from shares
    group by all
)

select * from final
