-- One row per pod, metric, GPU and UTC hour in which there are samples.
--
-- rebuilt by: day
--
-- Parquet only, a folder per UTC day. Series that differ in further labels only are taken together.
--
-- pod_id varchar: Kubernetes UID of the pod.
-- metric varchar: Metric type, as `metric_catalogue` names it.
-- gpu smallint: Index of the GPU on its node, null where the series has none.
-- hour_at timestamptz: When the hour begins.
-- samples bigint: Samples with a number.
-- expected_samples bigint: Instants of the hour that were asked for while the pod lived.
-- coverage double: Share of the expected instants that have a number, from 0 to 1.
-- value_min double: Least value.
-- value_avg double: Mean of the values.
-- value_p50 double: Median of the values.
-- value_p95 double: 95th percentile of the values.
-- value_max double: Greatest value.
with touched_samples as (select * from touched_samples),

metric_spans as (select * from metric_spans),

metric_steps as (select * from metric_steps),

hours as (
    select
        pod_id,
        metric,
        gpu,
        hour_of(sampled_at) as hour_at,
        count(value) as samples,
        -- Takes a fifth of the time of a distinct count.
        coalesce(list_unique(list(sampled_at) filter (value is not null)), 0) as instants,
        min(value) as value_min,
        -- Exact: a sum of doubles tells in which order it was taken.
        avg(cast(value as decimal(38, 12))) as value_avg,
        quantile_cont(value, [0.5, 0.95]) as value_quantiles,
        max(value) as value_max
    from touched_samples
    group by all
),

series as (
    select
        pod_id,
        metric,
        hour_at
    from hours
    group by all
),

touched_steps as (
    select
        metric_steps.pod_id,
        metric_steps.metric,
        metric_steps.resolution_seconds,
        metric_steps.since,
        lead(metric_steps.since) over (
            partition by metric_steps.pod_id, metric_steps.metric order by metric_steps.since
        ) as until
    from metric_steps
    semi join series using (pod_id, metric)
),

-- What of an hour was asked for at one resolution while the pod lived.
stretches as (
    select
        series.pod_id,
        series.metric,
        series.hour_at,
        touched_steps.resolution_seconds,
        greatest(series.hour_at, touched_steps.since, metric_spans.started_at) as from_at,
        least(
            series.hour_at + interval '1 hour', touched_steps.until, metric_spans.asked_to, metric_spans.ended_at
        ) as to_at
    from series
    inner join touched_steps using (pod_id, metric)
    inner join metric_spans using (pod_id, metric)
),

steps as (
    select
        pod_id,
        metric,
        hour_at,
        sum(floor(epoch(to_at - from_at) / resolution_seconds)) as steps
    from stretches
    where from_at < to_at
    group by all
),

expected as (
    select
        hours.*,
        greatest(hours.instants, steps.steps) as expected_samples
    from hours
    left join steps using (pod_id, metric, hour_at)
),

final as (
    select
        pod_id,
        metric,
        gpu,
        hour_at,
        samples,
        cast(expected_samples as bigint) as expected_samples,
        instants / nullif(expected_samples, 0) as coverage,
        value_min,
        value_avg,
        value_quantiles[1] as value_p50,
        value_quantiles[2] as value_p95,
        value_max
    from expected
)

select * from final
