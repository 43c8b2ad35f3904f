-- One row per version of a pod, dated: holds_from is the instant from which its phase, node and allocation hold.
--
-- The API's own instant for a change counts where it is not after its observation: completed_at where it is new, else
-- k8s_phase_updated_at where it and the phase are new, else deleted_at where it is new. Otherwise the change is dated
-- by its observation. Before the observation before, completed_at alone counts: the cluster was out of touch when that
-- was read, and nothing that was observed in between holds from later. Instants are cut to the millisecond or the
-- second: one that may well lie after the observation before counts as just after it. No version holds from before the
-- one before it.
with stg_pod_versions as (select * from stg_pod_versions),

stg_pod_starts as (select * from stg_pod_starts),

known_pods as (select * from known_pods),

versions as (
    select
        stg_pod_versions.pod_id,
        stg_pod_versions.version_index,
        stg_pod_versions.phase,
        stg_pod_versions.phase_updated_at,
        stg_pod_versions.node_name,
        stg_pod_versions.node_pool,
        {
            'gpu': cast(quantity(stg_pod_versions.allocated_resources ->> 'gpu') as double),
            'cpu_cores': cast(quantity(stg_pod_versions.allocated_resources ->> 'cpu') as double),
            'cpu_memory_bytes': whole_bytes(quantity(stg_pod_versions.allocated_resources ->> 'cpuMemory'))
        } as allocated,
        stg_pod_versions.completed_at,
        stg_pod_versions.deleted_at,
        stg_pod_starts.started_at,
        stg_pod_starts.first_shown_index,
        least(known_pods.completed_at, known_pods.deleted_at) as ended_at,
        coalesce(known_pods.created_at, known_pods.first_observed_at) as born_at,
        -- The server's clock may run ahead of ours.
        greatest(stg_pod_versions.observed_at, known_pods.created_at) as observed_at
    from stg_pod_versions
    inner join known_pods using (pod_id)
    left join stg_pod_starts using (pod_id)
),

compared as (
    select
        *,
        lag(phase) over pod as earlier_phase,
        lag(allocated) over pod as earlier_allocated,
        lag(phase_updated_at) over pod as earlier_phase_updated_at,
        completed_at is not null and lag(completed_at) over pod is null as is_newly_completed,
        deleted_at is not null and lag(deleted_at) over pod is null as is_newly_deleted,
        if(completed_at is null, first_value(completed_at ignore nulls) over later, null) as completed_later,
        (
            (version_index = 0 or phase is distinct from earlier_phase)
            and phase_updated_at is distinct from earlier_phase_updated_at
        ) as is_new_phase,
        coalesce(lag(observed_at) over pod + interval '1 microsecond', born_at) as earliest
    from versions
    window
        pod as (partition by pod_id order by version_index),
        later as (partition by pod_id order by version_index rows between 1 following and unbounded following)
),

dated as (
    select
        *,
        case
            when is_newly_completed and version_index > 0 and latest_of(completed_at) < earliest then completed_at
            when is_newly_completed and latest_of(completed_at) >= earliest and completed_at <= observed_at
                then greatest(completed_at, earliest)
            when is_new_phase and latest_of(phase_updated_at) >= earliest and phase_updated_at <= observed_at
                then greatest(phase_updated_at, earliest)
            when is_newly_deleted and latest_of(deleted_at) >= earliest and deleted_at <= observed_at
                then greatest(deleted_at, earliest)
            else greatest(least(observed_at, completed_later), born_at)
        end as dated_at
    from compared
),

final as (
    select
        * exclude (dated_at),
        max(least(dated_at, observed_at)) over (partition by pod_id order by version_index) as holds_from
    from dated
)

select * from final
