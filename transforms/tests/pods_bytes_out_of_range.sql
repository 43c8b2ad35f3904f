-- An amount of memory exceeds 2^63 bytes: null in `pods`, exact in `pod_resources`.
-- severity: warn
-- looks at: changed pods
select
    pod_resources.pod_id,
    pod_resources.resource,
    pod_resources.requested,
    pod_resources.allocated
from pod_resources
where
    unit = 'bytes'
    and (
        requested not between -9223372036854775808 and 9223372036854775807
        or allocated not between -9223372036854775808 and 9223372036854775807
    )
