-- In `gpu_usage_daily`, used, idle and unknown GPU-hours add up to those allocated.
-- severity: error
-- looks at: everything
select
    day,
    cluster_id,
    project_id,
    node_pool,
    allocated_gpu_hours,
    used_gpu_hours + idle_gpu_hours + unknown_gpu_hours as sum_of_parts
from gpu_usage_daily
where abs(allocated_gpu_hours - sum_of_parts) > 1e-9 * (1 + allocated_gpu_hours)
