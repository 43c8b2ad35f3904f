-- GPU time of each pod is conserved: over its days it is what the pod held by `pod_lifecycle`, to the microsecond.
-- severity: error
-- looks at: changed pods
with by_day as (
    select
        pod_id,
        seconds_of(sum(pod_gpu_days.allocated_gpu_micros)) as gpu_seconds
    from pod_gpu_days
    semi join pod_lifecycle using (pod_id)
    group by pod_id
)

select
    pod_id,
    by_day.gpu_seconds as gpu_seconds_by_day,
    pod_lifecycle.allocated_gpu_seconds
from pod_lifecycle
left join by_day using (pod_id)
where coalesce(by_day.gpu_seconds, 0) <> coalesce(pod_lifecycle.allocated_gpu_seconds, 0)
