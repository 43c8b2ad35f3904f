-- GPU time is conserved: over all days, `gpu_usage_daily` has as much of it as pods held by `pod_lifecycle`.
-- severity: error
-- looks at: everything
with by_day as (
    select sum(allocated_gpu_hours) as gpu_hours
    from gpu_usage_daily
),

by_pod as (
    select sum(allocated_gpu_seconds) / 3600 as gpu_hours
    from pod_lifecycle
)

select
    by_day.gpu_hours as gpu_hours_by_day,
    by_pod.gpu_hours as gpu_hours_by_pod
from by_day
cross join by_pod
where abs(coalesce(by_day.gpu_hours, 0) - coalesce(by_pod.gpu_hours, 0)) > 1e-9 * (1 + coalesce(by_pod.gpu_hours, 0))
