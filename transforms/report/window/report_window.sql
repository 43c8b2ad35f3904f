-- One row: the days that the report tells of, thirty up to the last run, or since the first of which there is anything.
with report_settings as (select * from report_settings),

gpu_usage_daily as (select * from gpu_usage_daily),

pods as (select * from pods),

used as (
    select min(day) as first_day
    from gpu_usage_daily
),

created as (
    select min(created_at) as first_at
    from pods
),

known as (
    select
        cast(report_settings.as_of at time zone report_settings.time_zone as date) as last_day,
        cast(created.first_at at time zone report_settings.time_zone as date) as created_from,
        used.first_day as used_from,
        report_settings.time_zone
    from report_settings
    cross join used
    cross join created
),

final as (
    select
        greatest(last_day - 29, least(used_from, created_from, last_day)) as first_day,
        last_day,
        time_zone
    from known
)

select * from final
