-- `cluster_pods` has one row per pod of the deprecated list, and no part of that key is null.
-- severity: error
-- looks at: everything
select
    pod_id,
    count(*) as copies
from cluster_pods
group by all
having count(*) > 1 or pod_id is null
