-- Coverage lies between 0 and 1, and is null just where nothing is wanted.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    metric,
    covered_seconds,
    wanted_seconds,
    coverage
from pod_metric_coverage
where coverage not between 0 and 1 or (coverage is null) <> (wanted_seconds = 0)
