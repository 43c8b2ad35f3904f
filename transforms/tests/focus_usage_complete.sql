-- In `focus_usage`, only prices, costs and the account may be null of what FOCUS wants of a usage charge.
-- severity: error
-- looks at: changed pods
select *
from focus_usage
where
    BillingPeriodEnd is null
    or BillingPeriodStart is null
    or ChargeCategory is null
    or ChargeDescription is null
    or ChargeFrequency is null
    or ChargePeriodEnd is null
    or ChargePeriodStart is null
    or ConsumedQuantity is null
    or ConsumedUnit is null
    or HostProviderName is null
    or InvoiceIssuerName is null
    or PricingCategory is null
    or PricingQuantity is null
    or PricingUnit is null
    or ResourceId is null
    or ResourceType is null
    or ServiceCategory is null
    or ServiceName is null
    or ServiceProviderName is null
    or ServiceSubcategory is null
    or SkuId is null
    or SkuMeter is null
    or SkuPriceId is null
    or x_ChargeDate is null
    or x_ExactQuantity is null
    or x_ExactUnit is null
