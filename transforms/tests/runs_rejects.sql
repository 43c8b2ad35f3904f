-- The last run met payloads that it could not read; they are kept in the raw table `rejects`.
-- severity: warn
-- looks at: everything
with last_run as (
    select max(as_of) as as_of
    from runs
)

select
    raw_rejects.endpoint,
    raw_rejects.reason,
    count(*) as payloads
from raw_rejects
inner join last_run on raw_rejects.observed_at >= last_run.as_of
group by raw_rejects.endpoint, raw_rejects.reason
