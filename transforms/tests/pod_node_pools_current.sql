-- In `pod_node_pools`, the pool is current that `pods` has the pod in, and no other.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    pod_node_pools.pool_index,
    pod_node_pools.node_pool as asked_for,
    pods.node_pool,
    pod_node_pools.is_current
from pod_node_pools
inner join pods using (pod_id)
where pod_node_pools.is_current is distinct from coalesce(pod_node_pools.node_pool = pods.node_pool, false)
