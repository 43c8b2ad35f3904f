-- Values of these metrics contradict the unit that is declared for them.
-- severity: warn
-- looks at: everything
select
    metric,
    unit,
    observed_min,
    observed_max,
    scale_note
from metric_catalogue
where scale_note is not null and unit is distinct from 'unknown_ratio'
