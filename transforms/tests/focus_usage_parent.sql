-- Every row in `focus_usage` is about a pod in `pods`.
-- severity: error
-- looks at: changed pods
select distinct focus_usage.ResourceId
from focus_usage
anti join pods on focus_usage.ResourceId = pods.pod_id
