-- In `focus_usage`, columns with allowed values have one that FOCUS allows, and each SKU has its own units.
-- severity: error
-- looks at: changed pods
select
    ResourceId,
    ChargeCategory,
    ChargeClass,
    ChargeFrequency,
    PricingCategory,
    ServiceCategory,
    ServiceSubcategory,
    SkuId,
    ConsumedUnit,
    x_ExactUnit
from focus_usage
where
    ChargeCategory <> 'Usage'
    or ChargeClass <> 'Correction'
    or ChargeFrequency <> 'Usage-Based'
    or PricingCategory not in ('Standard', 'Dynamic', 'Committed', 'Other')
    or (ServiceCategory, ServiceSubcategory) <> ('AI and Machine Learning', 'AI Platforms')
    or (SkuId, ConsumedUnit, x_ExactUnit) not in (
        ('gpu', 'GPU-Hours', 'GPU-Microseconds'),
        ('cpu', 'Core-Hours', 'Core-Microseconds'),
        ('memory', 'GiB-Hours', 'B-Microseconds')
    )
