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
where
    scale_note is not null
    -- Which scale an unknown one has is no contradiction; that it has neither is.
    and (unit is distinct from 'unknown_ratio' or observed_min < 0 or observed_max > 100)
