-- `pods.is_completed` says whether there is a completion time.
-- severity: error
-- looks at: everything
select
    pod_id,
    completed_at,
    is_completed
from pods
where is_completed is distinct from (completed_at is not null)
