-- Every project in `gpu_usage_daily` has pods.
-- severity: error
-- looks at: everything
select distinct
    gpu_usage_daily.cluster_id,
    gpu_usage_daily.project_id
from gpu_usage_daily
where not exists (
    select 1 from pods
    where
        short(pods.cluster_id) is not distinct from gpu_usage_daily.cluster_id
        and short(pods.project_id) is not distinct from gpu_usage_daily.project_id
)
