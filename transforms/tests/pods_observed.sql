-- Every pod in `pods` was seen for the first time, and for the last time then or later.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    first_observed_at,
    last_observed_at
from pods
where first_observed_at is null or last_observed_at is null or last_observed_at < first_observed_at
