-- Every SkuPriceId in `focus_usage` belongs to one SkuId, and has one price on any day.
-- severity: error
-- looks at: changed pods
select
    SkuPriceId,
    x_ChargeDate,
    list(distinct SkuId) as skus,
    list(distinct ListUnitPrice) as prices
from focus_usage
group by all
having count(distinct SkuId) > 1 or count(distinct ListUnitPrice) > 1
