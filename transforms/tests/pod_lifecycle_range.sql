-- No duration and no GPU-seconds of `pod_lifecycle` are below 0, and no more of a run is unseen than it has.
-- severity: error
-- looks at: changed pods
select *
from pod_lifecycle
where
    wait_seconds < 0
    or run_seconds < 0
    or requested_gpu_seconds < 0
    or allocated_gpu_seconds < 0
    or unseen_seconds not between 0 and run_seconds
