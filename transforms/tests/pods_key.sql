-- `pods` has one row per pod, and each has an id.
-- severity: error
select
    pod_id,
    count(*) as copies
from pods
group by pod_id
having count(*) > 1 or pod_id is null
