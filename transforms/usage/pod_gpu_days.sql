-- One row per pod, day in the time zone of the reports, and node pool: its GPU time of that day, exact.
--
-- rebuilt by: pod_id
--
-- Kept in the build database, of every pod that concerns GPUs, for `gpu_usage_daily` to add up.
--
-- pod_id varchar: The pod.
-- day date: The day.
-- node_pool varchar: The node pool.
-- cluster_id varchar: Its cluster.
-- project_id varchar: Its project.
-- is_mig boolean: It asked for, or got, a slice of a GPU.
-- wait_micros decimal(38, 0): Microseconds that it waited for its start.
-- allocated_gpu_micros decimal(38, 9): GPUs that it held, times microseconds.
-- covered_gpu_micros decimal(38, 9): Those of them of which the use is known.
-- used_gpu_micros decimal(38, 9): Those of these that were used.
-- unseen_micros decimal(38, 0): Microseconds that it ran without an allocation having been seen.
-- unseen_gpu_micros decimal(38, 9): The same times the GPUs that it requested.
with pod_day_stretches as (select * from pod_day_stretches),

pod_day_use as (select * from pod_day_use),

pods as (select * from pods),

added as (
    select
        pod_id,
        day,
        node_pool,
        bool_or(is_mig) as is_mig,
        sum(micros_between(from_at, to_at)) filter (where is_waiting) as wait_micros,
        sum(gpu_micros(gpus, from_at, to_at)) as allocated_gpu_micros,
        sum(micros_between(from_at, to_at)) filter (where not is_waiting and gpus is null) as unseen_micros,
        sum(gpu_micros(unseen_gpus, from_at, to_at)) as unseen_gpu_micros
    from pod_day_stretches
    group by all
),

final as (
    select
        added.pod_id,
        added.day,
        added.node_pool,
        short(pods.cluster_id) as cluster_id,
        short(pods.project_id) as project_id,
        added.is_mig,
        coalesce(added.wait_micros, 0) as wait_micros,
        coalesce(added.allocated_gpu_micros, 0) as allocated_gpu_micros,
        coalesce(pod_day_use.covered_gpu_micros, 0) as covered_gpu_micros,
        coalesce(pod_day_use.used_gpu_micros, 0) as used_gpu_micros,
        coalesce(added.unseen_micros, 0) as unseen_micros,
        coalesce(added.unseen_gpu_micros, 0) as unseen_gpu_micros
    from added
    inner join pods on added.pod_id = pods.pod_id
    left join pod_day_use
        on
            added.pod_id = pod_day_use.pod_id
            and added.day = pod_day_use.day
            and added.node_pool is not distinct from pod_day_use.node_pool
)

select * from final
