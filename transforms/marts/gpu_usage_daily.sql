-- One row per day, cluster, project and node pool in which pods held GPUs or waited for them.
--
-- rebuilt by: whole
--
-- Seconds are split exactly over the days of the time zone of the reports (`time_zone` in `[transforms]`, UTC by
-- default); over all days a pod counts its GPUs times how long it held them, up to the last run. Pods without a GPU are
-- not in here. used + idle + unknown = allocated. Names and ids of more than 253 characters, which Kubernetes does not
-- have, are cut.
--
-- day date: Day in the time zone of the reports.
-- cluster_id varchar: Cluster.
-- project_id varchar: Project; null where the API gave none.
-- project_name varchar: Its name, last one seen.
-- node_pool varchar: Node pool; while a pod waits for a node, the pool that it asked for first. Null where unknown.
-- pods bigint: Pods that held GPUs or waited for them.
-- allocated_gpu_hours double: GPUs that pods held, times hours; MIG slices as the API counts them.
-- used_gpu_hours double: Hours of which the use is known, times GPU utilization.
-- idle_gpu_hours double: The rest of the hours of which the use is known.
-- unknown_gpu_hours double: Hours of which the use is not known: without samples, and all of MIG pods.
-- mig_gpu_hours double: Hours of MIG pods; they are in allocated_gpu_hours and unknown_gpu_hours too.
-- wait_hours double: Hours, of pods and not of GPUs, between creation and start.
-- coverage double: Share of allocated_gpu_hours of which the use is known, from 0 to 1; null where none were allocated.
-- unseen_pods bigint: Pods that ran without an allocation having been seen; what they held is in no other column.
-- unseen_gpu_hours double: GPUs that these requested by number, times hours: what allocated_gpu_hours may lack.
with pod_gpu_days as (select * from pod_gpu_days),

pods as (select * from pods),

projects as (
    select
        short(pods.project_id) as project_id,
        short(max_by(pods.project_name, pods.last_observed_at)) as project_name
    from pods
    where pods.project_name is not null
    group by short(pods.project_id)
),

added as (
    select
        day,
        cluster_id,
        project_id,
        node_pool,
        count(distinct pod_id) as pods,
        sum(allocated_gpu_micros) as allocated,
        sum(covered_gpu_micros) as covered,
        sum(used_gpu_micros) as used,
        coalesce(sum(allocated_gpu_micros) filter (where is_mig), 0) as mig,
        sum(wait_micros) as waited,
        count(distinct pod_id) filter (where unseen_micros > 0) as unseen_pods,
        sum(unseen_gpu_micros) as unseen
    from pod_gpu_days
    group by all
),

final as (
    select
        added.day,
        added.cluster_id,
        added.project_id,
        projects.project_name,
        added.node_pool,
        added.pods,
        hours_of(added.allocated) as allocated_gpu_hours,
        hours_of(added.used) as used_gpu_hours,
        hours_of(added.covered - added.used) as idle_gpu_hours,
        hours_of(added.allocated - added.covered) as unknown_gpu_hours,
        hours_of(added.mig) as mig_gpu_hours,
        hours_of(added.waited) as wait_hours,
        hours_of(added.covered) / nullif(hours_of(added.allocated), 0) as coverage,
        added.unseen_pods,
        hours_of(added.unseen) as unseen_gpu_hours
    from added
    left join projects on added.project_id = projects.project_id
)

select * from final
