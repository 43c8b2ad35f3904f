-- `pod_metrics` has one row per pod, metric, GPU, labels and instant.
-- severity: error
-- looks at: changed days
-- Only hours with more values than instants are looked into: their series differ by labels, or a sample is there twice.
-- Samples without a number are not counted, so that of these nothing is seen.
with crowded as (
    select distinct
        pod_id,
        metric,
        hour_at
    from pod_metrics_hourly
    where samples > round(coverage * expected_samples)
)

select
    pod_id,
    metric,
    pod_metrics.gpu,
    pod_metrics.sampled_at,
    cast(pod_metrics.labels as varchar) as label_text,
    count(*) as copies
from pod_metrics
inner join crowded using (pod_id, metric)
where hour_of(pod_metrics.sampled_at) = crowded.hour_at
group by all
having count(*) > 1
