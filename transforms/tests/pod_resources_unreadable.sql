-- An amount is no Kubernetes quantity, or too exact for decimal(38, 9); the text is kept, the number is null.
-- severity: warn
-- looks at: changed pods
select
    pod_id,
    resource,
    requested_text,
    request_limit_text,
    allocated_text
from pod_resources
where
    (requested is null and requested_text is not null)
    or (request_limit is null and request_limit_text is not null)
    or (allocated is null and allocated_text is not null)
