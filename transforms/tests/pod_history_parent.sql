-- Every pod in `pod_history` is in `pods`.
-- severity: error
-- looks at: changed pods
select distinct pod_history.pod_id
from pod_history
anti join pods using (pod_id)
