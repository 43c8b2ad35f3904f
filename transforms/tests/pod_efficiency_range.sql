-- Control planes give GPU utilization from 0 to 100 percent: of these pods it was more, or less.
-- severity: warn
-- looks at: changed pods
select
    pod_id,
    gpu_percent_avg,
    gpu_percent_max
from pod_efficiency
where gpu_percent_avg < 0 or gpu_percent_max > 100
