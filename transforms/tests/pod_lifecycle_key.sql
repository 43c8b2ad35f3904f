-- `pod_lifecycle` has one row per pod, and no part of that key is null.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    count(*) as copies
from pod_lifecycle
group by all
having count(*) > 1 or pod_id is null
