-- The API's times are out of order: created, started, completed.
-- severity: warn
-- looks at: everything
select
    pod_id,
    created_at,
    started_at,
    completed_at
from pods
where started_at < created_at or completed_at < created_at or completed_at < started_at
