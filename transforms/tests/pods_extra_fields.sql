-- The API gave fields that the contract does not name, or values that could not be typed; see `pods.extra`.
-- severity: warn
-- looks at: everything
with fields as (
    select unnest(json_keys(extra)) as field
    from pods
    where extra is not null
)

select
    field,
    count(*) as pods
from fields
group by field
