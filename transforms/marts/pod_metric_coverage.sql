-- One row per pod and metric of which samples are wanted: how much of its life has them, and why not all.
--
-- rebuilt by: pod_id
--
-- Wanted is the time in which the pod ran, from where metrics begin to be wanted (`runs.metrics_since`) to the last
-- run. What may still come is told by that run too, whenever the table is made.
--
-- pod_id varchar: Kubernetes UID of the pod.
-- metric varchar: Metric type, as `metric_catalogue` names it.
-- wanted_from timestamptz: Where the wanted stretch begins.
-- wanted_to timestamptz: Where it ends: with the pod, or shortly before the last run.
-- covered_seconds double: Seconds of it that have samples, each sample standing for one step of the resolution.
-- wanted_seconds double: Its length; 0 where the metric does not apply.
-- coverage double: Share of the stretch that has samples, from 0 to 1; null where nothing is wanted.
-- status varchar: `ok` (all but a step at either end, and nothing that was asked for failed), `pending` (is asked
--     again), `failed` (could not be had, is asked again), `partial` or `empty` (the API has no more), `expired` (could
--     not be had in time: what failed is asked for no more 15 days later, and what never could be asked for counts as
--     forgotten then), `disabled` (not given by this control plane), `not_found` (the control plane no longer knows the
--     pod) or `not_applicable`.
-- reason varchar: Why not all of it is covered; null where it is.
with pods as (select * from pods),

stg_metric_lives as (select * from stg_metric_lives),

stg_metric_wishes as (select * from stg_metric_wishes),

stg_nim_pods as (select * from stg_nim_pods),

metric_spans as (select * from metric_spans),

metric_gaps as (select * from metric_gaps),

metrics_off as (select * from metrics_off),

catalogue as (select * from catalogue),

bounds as (
    select
        stg_metric_lives.pod_id,
        stg_metric_lives.workload_id,
        stg_metric_lives.is_over,
        stg_metric_lives.has_gpu,
        stg_metric_lives.shows_nim,
        greatest(stg_metric_lives.began_at, wishes.floor_at) as born_at,
        least(stg_metric_lives.ended_at, wishes.settled_at) as wanted_to,
        wishes.as_of
    from stg_metric_lives
    cross join stg_metric_wishes as wishes
),

lives as (
    select
        bounds.pod_id,
        bounds.workload_id,
        bounds.is_over,
        bounds.as_of,
        bounds.wanted_to,
        -- A start at or after the end is none.
        greatest(
            bounds.born_at, case when pods.started_at < bounds.wanted_to then pods.started_at end
        ) as wanted_from,
        bounds.has_gpu,
        not bounds.shows_nim and stg_nim_pods.pod_id is null as is_no_nim
    from pods
    inner join bounds using (pod_id)
    left join stg_nim_pods using (pod_id)
    where pods.started_at is not null or pods.phase is distinct from 'Pending'
),

wanted_types as (
    select unnest(from_json(metric_types, '["varchar"]')) as metric
    from stg_metric_wishes
),

asked_for as (
    select
        pods.pod_id,
        wanted_types.metric
    from pods
    cross join wanted_types
    union
    select
        pod_id,
        metric
    from metric_spans
),

gone as (
    select distinct pod_id
    from metric_gaps
    where status = 'not_found'
),

weighed_gaps as (
    select
        metric_gaps.*,
        metric_gaps.status in ('failed', 'not_found') as is_failed,
        -- What a pod without any sign of a NIM did not give once, it has not.
        is_nim(metric_gaps.metric) and lives.is_no_nim as is_no_nim,
        window_is_given_up(metric_gaps.window_to, metric_gaps.attempts, wishes.as_of) as is_given_up,
        -- One that was asked for before the end was known may lie behind it.
        metric_gaps.window_from < lives.wanted_to and metric_gaps.window_to > lives.wanted_from as is_in_life
    from metric_gaps
    inner join lives using (pod_id)
    cross join stg_metric_wishes as wishes
),

gaps as (
    select
        pod_id,
        metric,
        sum(instants * resolution_seconds) as covered_seconds,
        bool_or(is_in_life) as is_in_life,
        bool_or(not is_given_up and (is_failed or not coalesce(is_no_nim, false))) as is_due,
        bool_or(is_failed and not is_given_up) as has_failed,
        bool_or(is_failed and is_given_up) as has_expired,
        max(reason) filter (where is_failed) as failure,
        max(reason) as reason
    from weighed_gaps
    group by pod_id, metric
),

measured as (
    select
        lives.*,
        asked_for.metric,
        -- What was asked for applies, whatever is known of the pod by now.
        lives.has_gpu
        or not coalesce(catalogue.needs_gpu, false)
        or metric_spans.pod_id is not null as applies,
        epoch(lives.wanted_to - lives.wanted_from) as life_seconds,
        least(
            epoch(lives.wanted_to - lives.wanted_from),
            coalesce(metric_spans.covered_seconds, 0) + coalesce(gaps.covered_seconds, 0)
        ) as covered_seconds,
        coalesce(metric_spans.resolution_seconds, 0) as resolution_seconds,
        -- Of a pod that is over the last step is asked for too, however short.
        coalesce(
            metric_spans.asked_to
            + if(lives.is_over, 0, metric_spans.resolution_seconds) * interval '1 second' < lives.wanted_to,
            true
        ) as is_behind,
        case
            when lives.workload_id is null then 'the API names no workload of the pod, which it takes to ask'
            when wanted_types.metric is null then 'the last run did not ask for this type'
        end as obstacle,
        case
            when is_nim(asked_for.metric) and lives.is_no_nim then 'asked seldom: the pod shows no sign of a NIM'
        end as delay,
        gone.pod_id is not null and lives.is_over as is_gone,
        coalesce(gaps.is_in_life, false) as has_gap,
        coalesce(gaps.is_due, false) as is_due,
        coalesce(gaps.has_failed, false) as has_failed,
        coalesce(gaps.has_expired, false) as has_expired,
        gaps.failure,
        gaps.reason,
        metrics_off.metric is not null as is_off,
        metrics_off.reason as off_reason
    from lives
    inner join asked_for using (pod_id)
    left join wanted_types using (metric)
    left join catalogue using (metric)
    left join metric_spans on lives.pod_id = metric_spans.pod_id and asked_for.metric = metric_spans.metric
    left join gaps on lives.pod_id = gaps.pod_id and asked_for.metric = gaps.metric
    left join gone on lives.pod_id = gone.pod_id
    left join metrics_off on asked_for.metric = metrics_off.metric
    where lives.wanted_from < lives.wanted_to
),

judged as (
    select
        *,
        case
            when not applies then 'not_applicable'
            when is_off and is_behind then 'disabled'
            -- A pod's first and last step are rarely whole; what was asked for in vain is lacking, however short.
            when
                covered_seconds + 2 * resolution_seconds >= life_seconds
                and covered_seconds > 0
                and not has_gap
                and not is_behind then 'ok'
            when is_gone then 'not_found'
            when has_failed then 'failed'
            when is_behind and obstacle is not null and wanted_to <= as_of - interval '15 days' then 'expired'
            when is_behind or is_due then 'pending'
            when has_expired then 'expired'
            when covered_seconds = 0 then 'empty'
            else 'partial'
        end as status
    from measured
),

final as (
    select
        pod_id,
        metric,
        wanted_from,
        wanted_to,
        if(applies, covered_seconds, 0) as covered_seconds,
        if(applies, life_seconds, 0) as wanted_seconds,
        if(applies, covered_seconds / life_seconds, null) as coverage,
        status,
        case status
            when 'not_applicable' then 'the pod has no GPU'
            when 'disabled' then coalesce(off_reason, 'not given by this control plane')
            when 'not_found' then 'the control plane no longer knows the pod'
            when 'failed' then coalesce(failure, 'failed')
            when 'pending'
                then coalesce(
                    if(is_behind, obstacle, null),
                    reason,
                    delay,
                    if(is_behind, 'not asked yet', 'not all of it came yet')
                )
            when 'expired' then 'given up after 15 days: ' || coalesce(failure, obstacle, 'it could not be had')
            when 'empty' then 'the control plane has no sample of it'
            when 'partial' then 'the control plane has samples of a part only'
        end as reason
    from judged
)

select * from final
