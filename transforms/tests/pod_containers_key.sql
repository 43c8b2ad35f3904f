-- `pod_containers` has one row per container of a pod, and no part of that key is null.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    container_index,
    count(*) as copies
from pod_containers
group by all
having count(*) > 1 or pod_id is null or container_index is null
