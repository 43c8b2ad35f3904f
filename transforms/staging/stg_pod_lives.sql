-- One row per pod: how long it waited, from when to when it can hold GPUs, and why that ended.
--
-- What is not over lasts until the as_of of the last run. Where the API gives no time of the end, it is dated by what
-- shows it: the phase that ended it, the first reading of a deleted pod, or the first run that did not find it (what is
-- open and unchanged gives no row, so that the last reading may be days before).
--
-- Nothing that was read lies more than a day ahead of the reading, clocks and zones of the API included: whose end is
-- said to come in the year 9999 does not hold GPUs until then.
with known_pods as (select * from known_pods),

stg_pod_versions as (select * from stg_pod_versions),

stg_pod_starts as (select * from stg_pod_starts),

raw_runs as (select * from raw_runs),

last_run as (
    select max(as_of) as as_of
    from raw_runs
),

-- Versions come after an end too, and it may be taken back: what shows it is the first of those that all do.
readings as (
    select
        pod_id,
        observed_at,
        bool_and(is_deleted) over onwards as stays_deleted,
        bool_and(coalesce(phase in ('Succeeded', 'Failed'), false)) over onwards as stays_finished
    from stg_pod_versions
    where
        pod_id in (
            select known_pods.pod_id from known_pods
            where known_pods.completed_at is null and known_pods.deleted_at is null
        )
    window
        onwards as (
            partition by pod_id order by version_index rows between current row and unbounded following
        )
),

shown as (
    select
        pod_id,
        min(observed_at) filter (where stays_deleted) as deleted_since,
        min(observed_at) filter (where stays_finished) as finished_since
    from readings
    group by pod_id
),

ends as (
    select
        known_pods.*,
        coalesce(known_pods.created_at, known_pods.first_observed_at) as born_at,
        known_pods.last_observed_at + interval '1 day' as latest_at,
        stg_pod_starts.started_at,
        coalesce(
            least(known_pods.completed_at, known_pods.deleted_at),
            case
                when known_pods.phase in ('Succeeded', 'Failed')
                    then coalesce(latest.phase_updated_at, shown.finished_since)
                when known_pods.is_deleted then shown.deleted_since
                when not known_pods.is_reachable then known_pods.first_absent_at
            end
        ) as ended_at
    from known_pods
    inner join stg_pod_versions as latest on known_pods.pod_id = latest.pod_id and latest.is_latest
    left join shown on known_pods.pod_id = shown.pod_id
    left join stg_pod_starts on known_pods.pod_id = stg_pod_starts.pod_id
),

final as (
    select
        ends.pod_id,
        ends.created_at,
        ends.started_at,
        ends.ended_at,
        case
            when least(ends.completed_at, ends.deleted_at) > ends.latest_at then ends.latest_at
            else coalesce(ends.ended_at, last_run.as_of)
        end as lasts_until,
        case
            when ends.started_at is not null then least(ends.started_at, ends.latest_at)
            when ends.phase = 'Pending' then lasts_until
        end as waits_until,
        -- A start that nobody told leaves the history to say from when on GPUs were held.
        case
            when ends.started_at is not null then greatest(ends.started_at, ends.born_at)
            when coalesce(ends.phase <> 'Pending', true) then ends.born_at
        end as holds_from,
        case
            when ends.ended_at is null then null
            when ends.deleted_at < ends.completed_at then 'deleted'
            when ends.phase = 'Succeeded' then 'succeeded'
            when ends.phase = 'Failed' then 'failed'
            when ends.is_completed then 'completed'
            when ends.is_deleted or ends.deleted_at is not null then 'deleted'
            else 'vanished'
        end as end_reason
    from ends
    cross join last_run
)

select * from final
