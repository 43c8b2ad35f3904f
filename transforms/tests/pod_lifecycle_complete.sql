-- Every pod in `pods` is in `pod_lifecycle`, and no other.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    pods.pod_id is not null as is_in_pods,
    pod_lifecycle.pod_id is not null as is_in_pod_lifecycle
from pods
full outer join pod_lifecycle using (pod_id)
where pods.pod_id is null or pod_lifecycle.pod_id is null
