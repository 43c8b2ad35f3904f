-- One row per instant in a pod's life at which something began to hold, was observed, or must be cut.
--
-- state is what begins to hold, null where nothing does; seen_index is the newest version observed at the instant.
-- A pod is Pending from its creation. From its start on it is as the first version read after the start shows it
-- (unless it had left Pending before), save that an end phase shown there was Running until then. A version that shows
-- it Pending still, and knows of no start, was read while its cluster was out of touch, and does not count: it was
-- Pending until just after that only where its start, cut to the second, may be later. Of several states at one instant
-- the last one holds.
with stg_pod_changes as (select * from stg_pod_changes),

states as (
    select
        *,
        coalesce(
            phase = 'Pending' and version_index < first_shown_index and observed_at >= started_at, false
        ) as is_before_start,
        {
            'version_index': version_index,
            'phase': phase,
            'node_name': node_name,
            'node_pool': node_pool,
            'allocated': allocated,
            'earlier_allocated': earlier_allocated
        } as state,
        greatest(
            started_at,
            born_at,
            max(observed_at + interval '1 microsecond') filter (
                where is_before_start and observed_at <= latest_of(started_at)
            ) over (partition by pod_id)
        ) as runs_from
    from stg_pod_changes
),

first_versions as (
    select * from states
    where version_index = 0
),

first_started as (
    select * from states
    where observed_at >= started_at and not is_before_start
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
        runs_from as instant,
        0 as place,
        struct_update(state, phase := if(phase in ('Succeeded', 'Failed'), 'Running', phase)) as state,
        null as seen_index
    from first_started
    where
        runs_from < holds_from
        and coalesce(runs_from < ended_at, true)
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
    where not (is_before_start and holds_from >= started_at)
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
