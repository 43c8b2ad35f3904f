-- `pods` has one row per pod, and no part of that key is null.
-- severity: error
-- looks at: everything
select
    pod_id,
    count(*) as copies
from pods
group by all
having count(*) > 1 or pod_id is null
