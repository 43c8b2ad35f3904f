-- Every pod in `pod_metric_histograms` is in `pods`.
-- severity: error
-- looks at: changed days
select distinct pod_metric_histograms.pod_id
from pod_metric_histograms
anti join pods using (pod_id)
