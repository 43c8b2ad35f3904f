-- Every pod in `pod_node_pools` is in `pods`.
-- severity: error
-- looks at: changed pods
select distinct pod_node_pools.pod_id
from pod_node_pools
anti join pods using (pod_id)
