-- Every count in `pod_counts` says when it was taken and of what.
-- severity: error
-- looks at: everything
select
    counted_at,
    as_of,
    filter,
    api_count
from pod_counts
where counted_at is null or filter is null
