-- One row per day of the report.
with report_window as (select * from report_window),

instants as (
    select unnest(generate_series(cast(first_day as timestamp), cast(last_day as timestamp), interval 1 day)) as instant
    from report_window
    where first_day is not null
),

final as (
    select
        cast(instant as date) as day,
        strftime(instant, '%-d %b') as label
    from instants
)

select * from final
