-- No hours in `gpu_usage_daily` are below 0, those of MIG are among the unknown ones, and coverage is from 0 to 1.
-- severity: error
-- looks at: everything
select *
from gpu_usage_daily
where
    least(used_gpu_hours, idle_gpu_hours, unknown_gpu_hours, mig_gpu_hours, wait_hours, unseen_gpu_hours) < 0
    or mig_gpu_hours > unknown_gpu_hours * (1 + 1e-9)
    or coverage not between 0 and 1
    or (coverage is null) <> (allocated_gpu_hours = 0)
