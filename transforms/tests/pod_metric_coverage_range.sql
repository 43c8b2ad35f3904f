-- A wanted stretch has a length, coverage is the share of it from 0 to 1, and is null just where nothing is wanted.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    metric,
    wanted_from,
    wanted_to,
    covered_seconds,
    wanted_seconds,
    coverage
from pod_metric_coverage
where
    coverage not between 0 and 1
    or (coverage is null) <> (wanted_seconds = 0)
    or covered_seconds not between 0 and wanted_seconds
    or wanted_to <= wanted_from
