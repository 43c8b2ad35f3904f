-- `pod_history` starts at the pod's creation, or where that is unknown at its first observation.
-- severity: error
-- looks at: changed pods
select
    pods.pod_id,
    coalesce(pods.created_at, pods.first_observed_at) as expected_from,
    min(pod_history.valid_from) as valid_from
from pods
inner join pod_history using (pod_id)
group by pods.pod_id, expected_from
having min(pod_history.valid_from) <> expected_from
