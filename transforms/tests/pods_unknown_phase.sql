-- The API gave a phase that Kubernetes does not have.
-- severity: warn
-- looks at: everything
select
    phase,
    count(*) as pods
from pods
where phase is null or phase not in ('Pending', 'Running', 'Succeeded', 'Failed', 'Unknown')
group by phase
