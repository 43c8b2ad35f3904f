-- Every pod in `pod_resources` is in `pods`.
-- severity: error
-- looks at: changed pods
select distinct pod_resources.pod_id
from pod_resources
anti join pods using (pod_id)
