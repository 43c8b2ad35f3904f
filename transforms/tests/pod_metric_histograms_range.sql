-- The API gave distributions that cannot be: below 0, or with less up to a higher edge or percentile.
-- severity: warn
-- looks at: changed days
with edges as (
    select
        *,
        starts_with(bucket, 'p') as is_percentile,
        try_cast(ltrim(bucket, 'p') as double) as edge
    from pod_metric_histograms
),

steps as (
    select
        *,
        lag(value) over (
            partition by pod_id, metric, sampled_at, cast(labels as varchar), is_percentile
            order by edge
        ) as value_below
    from edges
    where edge is not null
)

select
    pod_id,
    metric,
    sampled_at,
    bucket,
    value,
    value_below
from steps
where value < 0 or value < value_below
