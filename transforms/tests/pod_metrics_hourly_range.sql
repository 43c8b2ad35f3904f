-- In `pod_metrics_hourly`, coverage lies between 0 and 1, and what is said of the values between least and greatest.
-- severity: error
-- looks at: changed days
with hours as (
    select
        *,
        1e-9 * (1 + greatest(abs(value_min), abs(value_max))) as rounding
    from pod_metrics_hourly
)

select
    pod_id,
    metric,
    gpu,
    hour_at,
    samples,
    expected_samples,
    coverage,
    value_min,
    value_avg,
    value_p50,
    value_p95,
    value_max
from hours
where
    coverage not between 0 and 1
    or (coverage is null) <> (expected_samples = 0)
    or (value_avg is null) <> (samples = 0)
    or value_avg not between value_min - rounding and value_max + rounding
    or value_p50 not between value_min - rounding and value_p95 + rounding
    or value_p95 not between value_p50 - rounding and value_max + rounding
