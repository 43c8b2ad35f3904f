-- In `pod_counts`, the difference is that of the two counts.
-- severity: error
-- looks at: everything
select
    counted_at,
    filter,
    api_count,
    warehouse_count,
    difference
from pod_counts
where difference is distinct from api_count - warehouse_count
