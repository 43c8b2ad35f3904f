-- One row per pod, day in the time zone of the reports, node pool and resource: how much the pod held of it, exact.
--
-- micros are GPUs, CPU cores or bytes of memory, times microseconds. What a pod did not hold has no row.
with pod_held_stretches as (select * from pod_held_stretches),

reporting as (select * from reporting),

touched as (
    select
        pod_held_stretches.*,
        reporting.time_zone,
        cast(unnest(days_touched(
            pod_held_stretches.from_at, pod_held_stretches.to_at, reporting.time_zone
        )) as date) as day
    from pod_held_stretches
    cross join reporting
),

cut as (
    select
        * replace (
            greatest(from_at, local_day_start(day, time_zone)) as from_at,
            least(to_at, local_day_start(day + 1, time_zone)) as to_at
        )
    from touched
),

added as (
    select
        pod_id,
        day,
        node_pool,
        sum(gpu_micros(gpus, from_at, to_at)) as gpu_micros,
        sum(gpu_micros(cpu_cores, from_at, to_at)) as core_micros,
        sum(cast(cpu_memory_bytes as hugeint) * micros_between(from_at, to_at)) as byte_micros
    from cut
    where from_at < to_at
    group by all
),

by_resource as (
    select
        pod_id,
        day,
        node_pool,
        unnest(['gpu', 'cpu', 'memory']) as resource,
        unnest([gpu_micros, core_micros, cast(byte_micros as decimal(38, 9))]) as micros
    from added
),

final as (
    select * from by_resource
    where micros > 0
)

select * from final
