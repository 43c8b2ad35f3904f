-- The rate card prices this resource, but not in this node pool on these days: `focus_usage` has no cost there.
-- severity: warn
-- looks at: everything
select
    SkuId,
    x_NodePoolName,
    min(x_ChargeDate) as first_day,
    max(x_ChargeDate) as last_day,
    sum(ConsumedQuantity) as quantity
from focus_usage
where ListUnitPrice is null and SkuId in (select rate_card.resource from rate_card)
group by all
