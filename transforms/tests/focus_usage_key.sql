-- `focus_usage` has one row per pod, day, resource and node pool.
-- severity: error
-- looks at: changed pods
select
    ResourceId,
    x_ChargeDate,
    SkuId,
    x_NodePoolName,
    count(*) as copies
from focus_usage
group by all
having count(*) > 1
