-- One row per pod, day in the time zone of the reports, node pool and resource: how much the pod held of it, exact.
--
-- micros are GPUs, CPU cores or bytes of memory, times microseconds. What a pod did not hold has no row.
with pod_held_stretches as (select * from pod_held_stretches),

reporting as (select * from reporting),

parts as (
    select
        pod_held_stretches.*,
        unnest(parts_by_day(pod_held_stretches.from_at, pod_held_stretches.to_at, reporting.time_zone)) as part
    from pod_held_stretches
    cross join reporting
),

added as (
    select
        pod_id,
        part.day,
        node_pool,
        sum(gpu_micros(gpus, part.from_at, part.to_at)) as gpu_micros,
        sum(gpu_micros(cpu_cores, part.from_at, part.to_at)) as core_micros,
        sum(cast(cpu_memory_bytes as hugeint) * micros_between(part.from_at, part.to_at)) as byte_micros
    from parts
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
