-- Every coverage in `pod_efficiency` lies between 0 and 1.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    coverage,
    gpu_coverage,
    gpu_memory_coverage,
    cpu_coverage,
    cpu_memory_coverage
from pod_efficiency
where
    coverage not between 0 and 1
    or gpu_coverage not between 0 and 1
    or gpu_memory_coverage not between 0 and 1
    or cpu_coverage not between 0 and 1
    or cpu_memory_coverage not between 0 and 1
