-- What is not covered has a reason.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    metric,
    coverage,
    status
from pod_metric_coverage
where status <> 'ok' and reason is null
