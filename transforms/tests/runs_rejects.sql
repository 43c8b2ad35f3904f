-- The last run met payloads that it could not read; they are kept in the raw table `rejects`.
-- severity: warn
-- looks at: everything
with last_run as (
    select started_at
    from runs
    order by started_at desc
    limit 1
)

select
    raw_rejects.endpoint,
    raw_rejects.reason,
    count(*) as payloads
from raw_rejects
inner join last_run on raw_rejects.observed_at >= last_run.started_at
group by raw_rejects.endpoint, raw_rejects.reason
