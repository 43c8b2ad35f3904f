-- One row per pod, metric, instant and bucket or percentile of a distribution.
--
-- rebuilt by: day
--
-- Parquet only, a folder per UTC day. Control planes from 2.23 on give these for NIM inference servers.
--
-- pod_id varchar: Kubernetes UID of the pod.
-- metric varchar: Metric type, as `metric_catalogue` names it.
-- sampled_at timestamptz: Instant of the sample.
-- bucket varchar: Upper edge of a cumulative bucket, such as 0.5 or +Inf, or a percentile, such as p99.
-- value double: Observations up to the edge, or the value of the percentile; null where the API gave no number.
-- labels json: Labels of the series, null where there are none.
with raw_pod_metric_histograms as (select * from raw_pod_metric_histograms),

buckets as (
    select
        pod_id,
        metric,
        sampled_at,
        labels,
        -- Not by path: a name may hold whatever a path has a meaning for.
        unnest(map_entries(cast(cast(data as json) as map (varchar, varchar)))) as bucket
    from raw_pod_metric_histograms
),

final as (
    select
        pod_id,
        metric,
        sampled_at,
        bucket.key as bucket,
        try_cast(bucket.value as double) as value,
        cast(labels as json) as labels
    from buckets
)

select * replace (if(isfinite(value), value, null) as value) from final
