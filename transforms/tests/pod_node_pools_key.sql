-- `pod_node_pools` has one row per node pool that a pod asked for, and no part of that key is null.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    pool_index,
    count(*) as copies
from pod_node_pools
group by all
having count(*) > 1 or pod_id is null or pool_index is null
