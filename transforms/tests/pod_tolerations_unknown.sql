-- The API gave an operator or an effect of a toleration that Kubernetes does not have.
-- severity: warn
-- looks at: changed pods
select
    pod_id,
    toleration_index,
    key,
    operator,
    effect
from pod_tolerations
where
    coalesce(operator, '') not in ('', 'Exists', 'Equal')
    or coalesce(effect, '') not in ('', 'NoSchedule', 'PreferNoSchedule', 'NoExecute')
