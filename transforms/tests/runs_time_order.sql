-- A run ended before it began: the clock of the machine went back, and the age that `status` tells may be wrong.
-- severity: warn
-- looks at: everything
select
    run_id,
    started_at,
    finished_at
from runs
where finished_at < started_at
