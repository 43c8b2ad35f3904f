-- `pod_metric_histograms` has one row per pod, metric, instant, bucket and labels, and only labels may be null.
-- severity: error
-- looks at: changed days
select
    pod_id,
    metric,
    sampled_at,
    bucket,
    cast(labels as varchar) as label_text,
    count(*) as copies
from pod_metric_histograms
group by all
having count(*) > 1 or pod_id is null or metric is null or sampled_at is null or bucket is null
