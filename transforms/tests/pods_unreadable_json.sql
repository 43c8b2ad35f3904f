-- A nested part of a pod is not JSON; its columns are null.
-- severity: warn
-- looks at: changed pods
select
    id as pod_id,
    observed_at
from raw_pods
where
    (containers is not null and not json_valid(containers))
    or (requested_node_pools is not null and not json_valid(requested_node_pools))
    or (requested_resources is not null and not json_valid(requested_resources))
    or (allocated_resources is not null and not json_valid(allocated_resources))
    or (tolerations is not null and not json_valid(tolerations))
    or (node_affinity is not null and not json_valid(node_affinity))
    or (extra is not null and not json_valid(extra))
