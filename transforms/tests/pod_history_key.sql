-- `pod_history` has one row per stretch of a pod's life, and no part of that key is null.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    valid_from,
    count(*) as copies
from pod_history
group by all
having count(*) > 1 or pod_id is null or valid_from is null
