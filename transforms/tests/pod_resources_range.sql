-- The API gave amounts of a resource below 0.
-- severity: warn
-- looks at: changed pods
select
    pod_id,
    resource,
    requested,
    request_limit,
    allocated
from pod_resources
where least(requested, request_limit, allocated) < 0
