-- One row, none before metrics were asked for: of which time and of which types samples are wanted, as of the last run.
with raw_runs as (select * from raw_runs),

final as (
    select
        min(metrics_since) as floor_at,
        max(as_of) - interval '120 seconds' as settled_at,
        max(as_of) as as_of,
        max_by(metric_types, row(as_of, finished_at, run_id)) as metric_types
    from raw_runs
    where metric_types is not null
    having count(*) > 0
)

select * from final
