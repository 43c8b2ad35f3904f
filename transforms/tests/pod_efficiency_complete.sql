-- Every pod in `pods` is in `pod_efficiency`, and no other.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    pods.pod_id is not null as is_in_pods,
    pod_efficiency.pod_id is not null as is_in_pod_efficiency
from pods
full outer join pod_efficiency using (pod_id)
where pods.pod_id is null or pod_efficiency.pod_id is null
