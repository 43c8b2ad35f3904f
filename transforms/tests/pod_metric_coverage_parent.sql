-- Every pod in `pod_metric_coverage` is in `pods`.
-- severity: error
-- looks at: changed pods
select distinct pod_metric_coverage.pod_id
from pod_metric_coverage
anti join pods using (pod_id)
