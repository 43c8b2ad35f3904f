-- `pod_metric_coverage` has one row per pod and metric, and no part of that key is null.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    metric,
    count(*) as copies
from pod_metric_coverage
group by all
having count(*) > 1 or pod_id is null or metric is null
