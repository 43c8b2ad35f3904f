-- `pod_tolerations` has one row per toleration of a pod, and no part of that key is null.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    toleration_index,
    count(*) as copies
from pod_tolerations
group by all
having count(*) > 1 or pod_id is null or toleration_index is null
