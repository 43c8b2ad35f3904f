-- Rows of `gpu_usage_daily` of the days of the report.
with report_window as (select * from report_window),

gpu_usage_daily as (select * from gpu_usage_daily),

final as (
    select gpu_usage_daily.*
    from gpu_usage_daily
    inner join report_window
        on gpu_usage_daily.day between report_window.first_day and report_window.last_day
)

select * from final
