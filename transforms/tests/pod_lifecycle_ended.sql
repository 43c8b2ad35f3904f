-- A pod that is over, and only such a one, has an end and a reason for it.
-- severity: error
-- looks at: changed pods
select
    pod_id,
    pods.is_completed,
    pods.is_deleted,
    pod_lifecycle.ended_at,
    pod_lifecycle.end_reason
from pods
inner join pod_lifecycle using (pod_id)
where
    (pod_lifecycle.ended_at is null) <> (pod_lifecycle.end_reason is null)
    or (pod_lifecycle.ended_at is not null) <> (
        pods.is_completed
        or pods.deleted_at is not null
        or pods.is_deleted
        or not pods.is_reachable
        or coalesce(pods.phase in ('Succeeded', 'Failed'), false)
    )
