-- No sample is lost or counted twice: a day's hours hold as many as its files have numbers.
-- severity: error
-- looks at: changed days
with hours as (
    select
        day_of(hour_at) as day,
        sum(samples) as samples
    from pod_metrics_hourly
    group by all
),

-- Noted as each file was written; its statistics tell, no sample is read.
files as (
    select
        day,
        sum(numbers) as numbers
    from series_files
    where table_name = 'pod_metrics' and day in (select unpublished_series.day from unpublished_series)
    group by day
)

select
    day,
    hours.samples as samples_of_hours,
    files.numbers as samples_of_files
from hours
full join files using (day)
where coalesce(hours.samples, 0) <> coalesce(files.numbers, 0)
