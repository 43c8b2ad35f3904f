-- Stretches of `pod_history` follow each other without gap or overlap, and none is empty.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    valid_from,
    valid_to,
    lead(valid_from) over (partition by pod_id order by valid_from) as next_from
from pod_history
qualify valid_to is distinct from next_from or valid_to <= valid_from
