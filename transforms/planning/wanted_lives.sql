-- One row per pod of which a type was not asked for over all that is wanted of its life, or has to be asked again.
--
-- Wanted is a pod's life from the metric floor on. Most pods ever seen are over and were asked for in full.
with plan_bounds as (select * from plan_bounds),

wanted_types as (select * from wanted_types),

stg_metric_lives as (select * from stg_metric_lives),

metric_spans as (select * from metric_spans),

metric_gaps as (select * from metric_gaps),

lives as (
    select
        stg_metric_lives.pod_id,
        stg_metric_lives.workload_id,
        stg_metric_lives.phase,
        stg_metric_lives.is_over,
        stg_metric_lives.ended_at,
        stg_metric_lives.has_gpu,
        stg_metric_lives.shows_nim,
        greatest(stg_metric_lives.began_at, plan_bounds.floor_at) as wanted_from,
        least(stg_metric_lives.ended_at, plan_bounds.settled_at) as wanted_to,
        plan_bounds.settled_at,
        plan_bounds.now_at,
        plan_bounds.resolution_seconds,
        -- Of a pod that runs, whole steps only; of one that is over, all of the last one.
        to_seconds(case when stg_metric_lives.is_over then 0 else plan_bounds.resolution_seconds - 1 end) as slack
    from stg_metric_lives
    cross join plan_bounds
    where stg_metric_lives.workload_id is not null
),

asked as (
    select
        pod_id,
        count(*) as types,
        max(asked_from) as asked_from,
        min(asked_to) as asked_to
    from metric_spans
    where metric in (select wanted_types.metric from wanted_types)
    group by pod_id
),

final as (
    select lives.*
    from lives
    left join asked using (pod_id)
    where
        lives.wanted_from < lives.wanted_to
        and (
            coalesce(asked.types, 0) < (
                select count(*) from wanted_types
                where lives.has_gpu or not wanted_types.needs_gpu
            )
            or asked.asked_from > lives.wanted_from
            or asked.asked_to + lives.slack < lives.wanted_to
            or lives.pod_id in (select metric_gaps.pod_id from metric_gaps)
        )
)

select * from final
