-- `runs` has one row per run, and no part of that key is null.
-- severity: error
-- looks at: everything
select
    run_id,
    count(*) as copies
from runs
group by all
having count(*) > 1 or run_id is null
