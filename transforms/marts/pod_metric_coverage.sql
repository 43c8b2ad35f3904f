-- One row per pod and metric of which samples are wanted: how much of its life has them, and why not all.
--
-- rebuilt by: pod_id
--
-- Wanted is the time in which the pod ran, from where metrics begin to be wanted (`runs.metrics_since`) to the last
-- run.
--
-- pod_id varchar: Kubernetes UID of the pod.
-- metric varchar: Metric type, as `metric_catalogue` names it.
-- wanted_from timestamptz: Where the wanted stretch begins.
-- wanted_to timestamptz: Where it ends: with the pod, or shortly before the last run.
-- covered_seconds double: Seconds of it that have samples, each sample standing for one step of the resolution.
-- wanted_seconds double: Its length; 0 where the metric does not apply.
-- coverage double: Share of the stretch that has samples, from 0 to 1; null where nothing is wanted.
-- status varchar: `ok` (all but part of a step at either end), `pending` (is asked again), `failed` (could not be had,
--     is asked again), `partial` or `empty` (the API has no more), `disabled` (not given by this control plane),
--     `not_found` or `not_applicable`.
-- reason varchar: Why not all of it is covered; null where it is.
with pods as (select * from pods),

metric_spans as (select * from metric_spans),

metric_gaps as (select * from metric_gaps),

metrics_off as (select * from metrics_off),

catalogue as (select * from catalogue),

raw_runs as (select * from raw_runs),

wishes as (
    select
        min(metrics_since) as floor_at,
        max(as_of) - interval '120 seconds' as settled_at,
        max_by(metric_types, as_of) as metric_types
    from raw_runs
    where metric_types is not null
),

lives as (
    select
        pods.pod_id,
        greatest(coalesce(pods.started_at, pods.created_at), wishes.floor_at) as wanted_from,
        least(
            coalesce(
                pods.completed_at,
                pods.deleted_at,
                case when not pods.is_reachable then pods.last_observed_at end,
                wishes.settled_at
            ),
            wishes.settled_at
        ) as wanted_to,
        coalesce(pods.requested_gpu, 0) > 0
        or coalesce(pods.allocated_gpu, 0) > 0
        or coalesce(pods.requested_gpu_memory_bytes, 0) > 0
        or coalesce(pods.allocated_gpu_memory_bytes, 0) > 0
        or pods.mig_profile is not null
        or pods.allocated_mig_profile is not null as has_gpu
    from pods
    cross join wishes
    where pods.started_at is not null or pods.phase is distinct from 'Pending'
),

asked_for as (
    select
        pods.pod_id,
        unnest(from_json(wishes.metric_types, '["varchar"]')) as metric
    from pods
    cross join wishes
    union
    select
        pod_id,
        metric
    from metric_spans
),

gaps as (
    select
        pod_id,
        metric,
        sum(instants * resolution_seconds) as covered_seconds,
        bool_or(status = 'not_found') as is_gone,
        max(reason) filter (where status = 'failed') as failure,
        bool_or(status = 'failed') as has_failed,
        max(reason) as reason
    from metric_gaps
    group by pod_id, metric
),

measured as (
    select
        lives.pod_id,
        asked_for.metric,
        lives.wanted_from,
        lives.wanted_to,
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
        metric_spans.asked_to,
        coalesce(
            metric_spans.asked_to + to_seconds(metric_spans.resolution_seconds) < lives.wanted_to, true
        ) as is_behind,
        gaps.pod_id is not null as has_gaps,
        coalesce(gaps.is_gone, false) as is_gone,
        coalesce(gaps.has_failed, false) as has_failed,
        gaps.failure,
        gaps.reason,
        metrics_off.reason as off_reason,
        metrics_off.metric is not null and metric_spans.pod_id is null as is_off
    from lives
    inner join asked_for using (pod_id)
    left join catalogue using (metric)
    left join metric_spans on lives.pod_id = metric_spans.pod_id and asked_for.metric = metric_spans.metric
    left join gaps on lives.pod_id = gaps.pod_id and asked_for.metric = gaps.metric
    left join metrics_off on asked_for.metric = metrics_off.metric
    where lives.wanted_from < lives.wanted_to
),

judged as (
    select
        *,
        case
            when not applies then 'not_applicable'
            when is_off then 'disabled'
            -- A pod's first and last step are rarely whole.
            when covered_seconds + 2 * resolution_seconds >= life_seconds and covered_seconds > 0 then 'ok'
            when is_gone then 'not_found'
            when has_failed then 'failed'
            when is_behind or has_gaps then 'pending'
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
            when 'failed' then failure
            when 'pending' then coalesce(reason, 'not asked yet')
            when 'empty' then 'the control plane has no sample of it'
            when 'partial' then 'the control plane has samples of a part only'
        end as reason
    from judged
)

select * from final
