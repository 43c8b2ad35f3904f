-- Every pod in `pod_metrics_hourly`, and so every pod of which there are samples, is in `pods`.
-- severity: error
-- looks at: changed days
select distinct pod_metrics_hourly.pod_id
from pod_metrics_hourly
anti join pods using (pod_id)
