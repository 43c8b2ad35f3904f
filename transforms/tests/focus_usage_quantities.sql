-- In `focus_usage`, quantities are not below 0, priced as consumed, and those of x_ExactQuantity, rounded.
-- severity: error
-- looks at: changed pods
select
    ResourceId,
    x_ChargeDate,
    SkuId,
    ConsumedQuantity,
    ConsumedUnit,
    PricingQuantity,
    PricingUnit,
    x_ExactQuantity,
    x_ExactUnit,
    hours_of(x_ExactQuantity) / if(SkuId = 'memory', 1073741824, 1) as ExactHours
from focus_usage
where
    ConsumedQuantity < 0
    or PricingQuantity <> ConsumedQuantity
    or PricingUnit <> ConsumedUnit
    or x_ExactQuantity <= 0
    or abs(ConsumedQuantity - ExactHours) > 1e-9
