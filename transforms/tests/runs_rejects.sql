-- The last run met payloads that it could not read, or that contradict another; the raw table `rejects` keeps them.
-- severity: warn
-- looks at: everything
with last_run as (
    select
        max_by(run_id, finished_at) as run_id,
        max_by(rejects, finished_at) as rejects
    from runs
)

select
    run_id,
    rejects
from last_run
where rejects > 0
