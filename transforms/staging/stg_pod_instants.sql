-- One row per instant in a pod's life at which something began to hold, was observed, or must be cut.
--
-- state is what begins to hold, null where nothing does; seen_index is the newest version observed at the instant.
-- A pod is Pending from its creation. From its start on it is as the first version read after the start shows it
-- (unless it had left Pending before), save that an end phase shown there was Running until then. Of several states at
-- one instant the last one holds.
with stg_pod_changes as (select * from stg_pod_changes),

states as (
    select
        *,
        {
            'version_index': version_index,
            'phase': phase,
            'node_name': node_name,
            'node_pool': node_pool,
            'allocated': allocated,
            'earlier_allocated': earlier_allocated
        } as state
    from stg_pod_changes
),

first_versions as (
    select * from states
    where version_index = 0
),

first_started as (
    select * from states
    where observed_at >= started_at
    qualify row_number() over (partition by pod_id order by version_index) = 1
),

creations as (
    select
        pod_id,
        born_at as instant,
        -1 as place,
        {
            'version_index': -1,
            'phase': 'Pending',
            'node_name': null,
            'node_pool': null,
            'allocated': null,
            'earlier_allocated': null
        } as state,
        null as seen_index
    from first_versions
),

starts as (
    select
        pod_id,
        greatest(started_at, born_at) as instant,
        0 as place,
        struct_update(state, phase := if(phase in ('Succeeded', 'Failed'), 'Running', phase)) as state,
        null as seen_index
    from first_started
    where
        started_at < holds_from
        and coalesce(started_at < ended_at, true)
        -- A pod that was seen beyond Pending had started, whatever the clocks say.
        and (version_index = 0 or earlier_phase = 'Pending')
),

changes as (
    select
        pod_id,
        holds_from as instant,
        version_index + 1 as place,
        state,
        null as seen_index
    from states
),

observations as (
    select
        pod_id,
        observed_at as instant,
        version_index + 1 as place,
        null as state,
        version_index as seen_index
    from states
),

cuts as (
    select
        pod_id,
        greatest(unnest([started_at, ended_at]), born_at) as instant,
        0 as place,
        null as state,
        null as seen_index
    from first_versions
),

united as (
    select * from creations
    union all
    select * from starts
    union all
    select * from changes
    union all
    select * from observations
    union all
    select * from cuts
),

final as (
    select
        pod_id,
        instant,
        max_by(state, place) as state,
        max(seen_index) as seen_index
    from united
    where instant is not null
    group by pod_id, instant
)

select * from final
