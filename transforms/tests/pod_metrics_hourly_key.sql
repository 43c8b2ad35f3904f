-- `pod_metrics_hourly` has one row per pod, metric, GPU and hour, and no part of that key but the GPU is null.
-- severity: error
-- looks at: changed days
select
    pod_id,
    metric,
    gpu,
    hour_at,
    count(*) as copies
from pod_metrics_hourly
group by all
having count(*) > 1 or pod_id is null or metric is null or hour_at is null
