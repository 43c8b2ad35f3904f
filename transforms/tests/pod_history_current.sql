-- Every pod has exactly one current row in `pod_history`: the one without an end, in the phase that `pods` tells.
-- severity: error
-- looks at: changed pods
select
    pods.pod_id,
    count_if(pod_history.is_current) as current_rows,
    count_if(pod_history.pod_id is not null and pod_history.valid_to is null) as rows_without_end
from pods
left join pod_history using (pod_id)
group by pods.pod_id
having current_rows <> 1 or rows_without_end <> 1 or bool_or(
    pod_history.is_current <> (pod_history.valid_to is null)
    or (pod_history.is_current and pod_history.phase is distinct from pods.phase)
)
