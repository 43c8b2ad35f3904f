-- One row per pod, metric and stretch of which samples are to be asked for, whether or not the pod can have them.
--
-- Wanted is a pod's life from the metric floor on. Of it, one stretch without a gap was asked for before: what lies
-- before it is asked for from its newest end backwards, what lies after it forwards. Within it, windows that are not
-- final are asked for again when they are due, until the API must have forgotten the pod.
with plan_bounds as (select * from plan_bounds),

plan_types as (select * from plan_types),

known_pods as (select * from known_pods),

metric_spans as (select * from metric_spans),

metric_gaps as (select * from metric_gaps),

metrics_off as (select * from metrics_off),

-- What the control plane does not give is asked for again after a day.
wanted_types as (
    select plan_types.*
    from plan_types
    cross join plan_bounds
    left join metrics_off using (metric)
    where metrics_off.asked_at is null or metrics_off.asked_at <= plan_bounds.now_at - interval '24 hours'
),

lives as (
    select
        known_pods.pod_id,
        known_pods.workload_id,
        known_pods.phase,
        greatest(known_pods.created_at, plan_bounds.floor_at) as wanted_from,
        not known_pods.is_open or not known_pods.is_reachable as is_over,
        coalesce(
            known_pods.completed_at,
            known_pods.deleted_at,
            case when not known_pods.is_open or not known_pods.is_reachable then known_pods.last_observed_at end
        ) as ended_at,
        plan_bounds.settled_at,
        plan_bounds.now_at,
        plan_bounds.resolution_seconds
    from known_pods
    cross join plan_bounds
    where known_pods.workload_id is not null and known_pods.created_at < plan_bounds.settled_at
),

wanted as (
    select
        *,
        least(coalesce(ended_at, settled_at), settled_at) as wanted_to,
        -- Of a pod that runs, whole steps only; of one that is over, all of the last one.
        to_seconds(case when is_over then 0 else resolution_seconds - 1 end) as slack
    from lives
    where wanted_from < least(coalesce(ended_at, settled_at), settled_at)
),

asked as (
    select
        wanted.*,
        wanted_types.metric,
        wanted_types.needs_gpu,
        wanted_types.place,
        metric_spans.asked_from,
        metric_spans.asked_to
    from wanted
    cross join wanted_types
    left join metric_spans on wanted.pod_id = metric_spans.pod_id and wanted_types.metric = metric_spans.metric
),

due as (
    select
        wanted.*,
        wanted_types.metric,
        wanted_types.needs_gpu,
        wanted_types.place,
        metric_gaps.window_from,
        metric_gaps.window_to,
        metric_gaps.resolution_seconds as gap_resolution,
        metric_gaps.attempts
    from metric_gaps
    inner join wanted_types using (metric)
    inner join wanted using (pod_id)
    where
        metric_gaps.window_to > wanted.now_at - interval '15 days'
        -- Asked for in part, it would count as had.
        and metric_gaps.window_to <= wanted.settled_at
        and wanted.now_at >= window_due_at(
            metric_gaps.status, metric_gaps.asked_at, metric_gaps.window_to, metric_gaps.attempts
        )
),

stretches as (
    select
        pod_id,
        workload_id,
        metric,
        needs_gpu,
        place,
        phase,
        is_over,
        ended_at,
        wanted_from as since,
        coalesce(asked_from, ended_at) as until,
        resolution_seconds,
        1 as attempt,
        asked_from is not null as newest_first
    from asked
    where asked_from is null or asked_from > wanted_from
    union all
    select
        pod_id,
        workload_id,
        metric,
        needs_gpu,
        place,
        phase,
        is_over,
        ended_at,
        asked_to as since,
        ended_at as until,
        resolution_seconds,
        1 as attempt,
        false as newest_first
    from asked
    where asked_to + slack < wanted_to
    union all
    select
        pod_id,
        workload_id,
        metric,
        needs_gpu,
        place,
        phase,
        is_over,
        ended_at,
        window_from as since,
        window_to as until,
        gap_resolution as resolution_seconds,
        attempts + 1 as attempt,
        false as newest_first
    from due
),

-- What is over and was not found stays so.
gone as (
    select distinct pod_id
    from metric_gaps
    where status = 'not_found'
),

final as (
    select stretches.*
    from stretches
    left join gone using (pod_id)
    where not (stretches.is_over and gone.pod_id is not null)
)

select * from final
