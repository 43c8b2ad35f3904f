-- Metrics of these pods could not be had yet; the next run asks again.
-- severity: warn
-- looks at: everything
select
    pod_id,
    metric,
    coverage,
    reason
from pod_metric_coverage
where status = 'failed'
