-- `pod_metrics` has one row per pod, metric, GPU, labels and instant.
-- severity: error
-- looks at: changed days
-- Only hours are looked into that have more numbers than instants, for then their series differ by labels or a sample
-- is there twice, and those of a sample without a number, for the row of the hour does not count it.
with crowded as (
    select
        pod_id,
        metric,
        hour_at
    from pod_metrics_hourly
    where samples > round(coverage * expected_samples)
    union
    select
        pod_id,
        metric,
        hour_of(sampled_at) as hour_at
    from pod_metrics
    where value is null
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
