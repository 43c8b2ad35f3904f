-- `gpu_usage_daily` has one row per day, cluster, project and node pool, and no day is null.
-- severity: error
-- looks at: everything
select
    day,
    cluster_id,
    project_id,
    node_pool,
    count(*) as copies
from gpu_usage_daily
group by all
having count(*) > 1 or day is null
