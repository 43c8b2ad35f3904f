-- The deprecated list by cluster shows pods that the list of pods does not; they are in `cluster_pods` alone.
-- severity: warn
-- looks at: changed pods
select cluster_pods.pod_id
from cluster_pods
anti join pods using (pod_id)
