-- One row: the last run, how its counts compare with the API's, and what could not be had.
with runs as (select * from runs),

pods as (select * from pods),

pod_counts as (select * from pod_counts),

spaced as (
    select
        *,
        -- The API forgets a deleted pod after about two weeks.
        outcome = 'loaded'
        and as_of - lag(as_of) over (partition by outcome order by finished_at) > interval 14 days as is_gap
    from runs
),

told as (
    select
        count(*) as runs,
        count(*) filter (where outcome <> 'loaded') as failed_runs,
        count(*) filter (where is_gap) as gaps,
        cast(sum(coalesce(rejects_new, rejects)) as bigint) as rejects,
        max(finished_at) filter (where outcome = 'loaded') as finished_at,
        max_by(metrics_since, finished_at) filter (where outcome = 'loaded') as metrics_since
    from spaced
),

latest as (
    select *
    from pod_counts
    where warehouse_count is not null
    qualify
        as_of = max(as_of) over ()
        and row_number() over (partition by filter, as_of order by counted_at desc) = 1
),

compared as (
    select
        count(*) as counts,
        count(*) filter (where difference <> 0) as differing_counts,
        cast(sum(api_count) filter (where is_whole) as bigint) as api_count,
        cast(sum(warehouse_count) filter (where is_whole) as bigint) as warehouse_count
    from latest
),

known as (
    select
        count(*) as pods,
        count(*) filter (where not is_reachable) as unreachable_pods
    from pods
),

final as (
    select
        told.runs,
        told.failed_runs,
        told.gaps,
        told.rejects,
        strftime(told.finished_at, '%Y-%m-%d %H:%M UTC') as finished_at,
        strftime(told.metrics_since, '%Y-%m-%d %H:%M UTC') as metrics_since,
        compared.*,
        known.*
    from told
    cross join compared
    cross join known
)

select * from final
