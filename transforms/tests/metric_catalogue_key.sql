-- `metric_catalogue` has one row per metric type, and no part of that key is null.
-- severity: error
-- looks at: everything
select
    metric,
    count(*) as copies
from metric_catalogue
group by all
having count(*) > 1 or metric is null
