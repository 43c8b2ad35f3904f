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
        data,
        unnest(json_keys(data)) as bucket
    from raw_pod_metric_histograms
),

final as (
    select
        pod_id,
        metric,
        sampled_at,
        bucket,
        try_cast(json_extract_string(data, '$."' || bucket || '"') as double) as value,
        cast(labels as json) as labels
    from buckets
)

select * from final
