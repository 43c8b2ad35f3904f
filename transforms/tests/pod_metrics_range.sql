-- The API gave values that cannot be: below 0, or above all there is by the metric's unit.
-- severity: warn
-- looks at: changed days
-- Whether 1 or 100 is all of an `unknown_ratio` nobody knows; more than 100 it is not.
select
    pod_metrics_hourly.pod_id,
    metric,
    pod_metrics_hourly.gpu,
    pod_metrics_hourly.hour_at,
    catalogue.unit,
    pod_metrics_hourly.value_min,
    pod_metrics_hourly.value_max
from pod_metrics_hourly
left join catalogue using (metric)
where
    pod_metrics_hourly.value_min < 0
    or (catalogue.unit in ('percent', 'unknown_ratio') and pod_metrics_hourly.value_max > 100)
    or (catalogue.unit = 'ratio' and pod_metrics_hourly.value_max > 1)
