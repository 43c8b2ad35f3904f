-- One row per pod: how long it waited and ran, the GPU-seconds of it, and how it ended.
--
-- rebuilt by: pod_id
--
-- From timestamps and `pod_history` alone, never from samples. What is not over counts up to the last run
-- (`runs.as_of`); an instant more than a day ahead of its reading is taken for that day. An allocation holds from
-- started_at, and one that changed counts piece by piece. What is not known is null, never 0.
--
-- pod_id varchar: The pod; joins to `pods.pod_id`.
-- wait_seconds double: From its creation to its start, or so far; null where it had started and nobody knows when.
-- run_seconds double: From its start to its end, or so far; null where it has not started, or nobody knows when.
-- requested_gpu_seconds double: GPUs requested times run_seconds; null where GPUs were not requested by number.
-- allocated_gpu_seconds double: GPUs allocated times how long; null where no allocation was seen while it ran.
-- end_reason varchar: `succeeded`, `failed`, `completed` (in another phase), `deleted` before it completed, `vanished`
--     (no longer found, and not deleted); null while it waits or runs.
-- ended_at timestamptz: When it ended; where the API does not say, when that was first seen. Null while it lasts.
-- unseen_seconds double: Seconds of its run of which no allocation was seen: allocated_gpu_seconds lacks them.
with pods as (select * from pods),

pod_history as (select * from pod_history),

stg_pod_lives as (select * from stg_pod_lives),

pieces as (
    select
        pod_id,
        pod_history.allocated_gpu,
        stg_pod_lives.started_at,
        greatest(pod_history.valid_from, stg_pod_lives.holds_from) as held_from,
        least(coalesce(pod_history.valid_to, stg_pod_lives.lasts_until), stg_pod_lives.lasts_until) as held_to
    from pod_history
    inner join stg_pod_lives using (pod_id)
    where stg_pod_lives.holds_from is not null
),

held as (
    select
        pod_id,
        sum(gpu_micros(allocated_gpu, held_from, held_to)) as gpu_micros,
        sum(micros_between(held_from, held_to)) filter (
            where allocated_gpu is null and started_at is not null
        ) as unseen_micros
    from pieces
    where held_to > held_from
    group by pod_id
),

final as (
    select
        pod_id,
        seconds_of(micros_between(stg_pod_lives.created_at, stg_pod_lives.waits_until)) as wait_seconds,
        case
            when stg_pod_lives.started_at is not null
                then seconds_of(micros_between(stg_pod_lives.holds_from, stg_pod_lives.lasts_until))
        end as run_seconds,
        pods.requested_gpu * run_seconds as requested_gpu_seconds,
        seconds_of(held.gpu_micros) as allocated_gpu_seconds,
        stg_pod_lives.end_reason,
        stg_pod_lives.ended_at,
        case when stg_pod_lives.started_at is not null then coalesce(seconds_of(held.unseen_micros), 0) end
            as unseen_seconds
    from pods
    inner join stg_pod_lives using (pod_id)
    left join held using (pod_id)
)

select * from final
