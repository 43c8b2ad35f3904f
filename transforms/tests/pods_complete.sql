-- Every pod that was ever read is in `pods`, and no other.
-- severity: error
-- looks at: everything
select
    coalesce(known_pods.pod_id, pods.pod_id) as pod_id,
    known_pods.pod_id is not null as was_read,
    pods.pod_id is not null as is_in_pods
from known_pods
full outer join pods using (pod_id)
where known_pods.pod_id is null or pods.pod_id is null
