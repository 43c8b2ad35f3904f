-- Every pod in `pod_tolerations` is in `pods`.
-- severity: error
-- looks at: changed pods
select distinct pod_tolerations.pod_id
from pod_tolerations
anti join pods using (pod_id)
