-- Who is called wasteful is told why, by samples that are there; and a slice of a GPU is never called idle.
-- severity: error
-- looks at: changed pods
select
    pod_efficiency.pod_id,
    pod_efficiency.waste_class,
    pod_efficiency.coverage,
    pods.allocated_mig_profile,
    pod_efficiency.advice
from pod_efficiency
inner join pods using (pod_id)
where
    pod_efficiency.waste_class is null
    or (pod_efficiency.advice is null)
    <> (pod_efficiency.waste_class in ('healthy', 'unknown', 'too_short'))
    or (
        pod_efficiency.waste_class in ('idle_held', 'memory_parked', 'low_sm')
        and (
            pod_efficiency.coverage is null
            or pods.mig_profile is not null
            or pods.allocated_mig_profile is not null
        )
    )
