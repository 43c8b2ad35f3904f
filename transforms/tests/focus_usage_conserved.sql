-- GPU time is conserved: by day, project and node pool `focus_usage` has exactly that of `gpu_usage_daily`.
-- severity: error
-- looks at: everything
with charged as (
    select
        x_ChargeDate as day,
        x_ClusterId as cluster_id,
        SubAccountId as project_id,
        x_NodePoolName as node_pool,
        hours_of(sum(x_ExactQuantity)) as charged_gpu_hours
    from focus_usage
    where SkuId = 'gpu'
    group by all
),

allocated as (
    select * from gpu_usage_daily
    where allocated_gpu_hours > 0
)

select
    coalesce(charged.day, allocated.day) as day,
    coalesce(charged.cluster_id, allocated.cluster_id) as cluster_id,
    coalesce(charged.project_id, allocated.project_id) as project_id,
    coalesce(charged.node_pool, allocated.node_pool) as node_pool,
    charged.charged_gpu_hours,
    allocated.allocated_gpu_hours
from charged
full outer join allocated
    on
        charged.day = allocated.day
        and charged.cluster_id is not distinct from allocated.cluster_id
        and charged.project_id is not distinct from allocated.project_id
        and charged.node_pool is not distinct from allocated.node_pool
where charged.charged_gpu_hours is distinct from allocated.allocated_gpu_hours
