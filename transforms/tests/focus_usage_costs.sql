-- In `focus_usage`, a list cost is price times quantity, the other costs are equal to it, and none has no price.
-- severity: error
-- looks at: changed pods
select
    ResourceId,
    x_ChargeDate,
    SkuId,
    ListUnitPrice,
    PricingQuantity,
    ListCost,
    ContractedUnitPrice,
    ContractedCost,
    EffectiveCost,
    BilledCost
from focus_usage
where
    ListUnitPrice < 0
    or ListCost is distinct from ListUnitPrice * PricingQuantity
    or ContractedCost is distinct from ContractedUnitPrice * PricingQuantity
    or ContractedUnitPrice is distinct from ListUnitPrice
    or EffectiveCost is distinct from BilledCost
    or BilledCost is distinct from ContractedCost
