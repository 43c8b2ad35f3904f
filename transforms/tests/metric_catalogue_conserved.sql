-- `metric_catalogue` counts as many samples as `pod_metrics` has.
-- severity: error
-- looks at: everything
with counted as (
    select
        coalesce(sum(samples), 0) as samples,
        coalesce(sum(unreadable_samples), 0) as unreadable_samples
    from metric_catalogue
),

files as (
    select coalesce(sum(rows), 0) as samples
    from series_files
    where table_name = 'pod_metrics'
)

select
    counted.samples as samples_of_catalogue,
    counted.unreadable_samples,
    files.samples as samples_of_files
from counted
cross join files
where counted.samples <> files.samples or counted.unreadable_samples not between 0 and counted.samples
