-- Every pod in `pod_containers` is in `pods`.
-- severity: error
-- looks at: changed pods
select distinct pod_containers.pod_id
from pod_containers
anti join pods using (pod_id)
