-- `pod_resources` has one row per resource of a pod, and no part of that key is null.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    resource,
    is_extended,
    count(*) as copies
from pod_resources
group by all
having count(*) > 1 or pod_id is null or resource is null or is_extended is null
