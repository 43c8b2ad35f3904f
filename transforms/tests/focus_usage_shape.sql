-- In `focus_usage`, periods end after they begin, and charge periods lie in their billing period without overlap.
-- severity: error
-- looks at: changed pods
with compared as (
    select
        ResourceId,
        SkuId,
        x_NodePoolName,
        ChargePeriodStart,
        ChargePeriodEnd,
        BillingPeriodStart,
        BillingPeriodEnd,
        -- An end is excluded: the next period may begin at it.
        lag(ChargePeriodEnd) over (
            partition by ResourceId, SkuId, x_NodePoolName
            order by ChargePeriodStart
        ) as EarlierPeriodEnd
    from focus_usage
)

select *
from compared
where
    ChargePeriodStart >= ChargePeriodEnd
    or ChargePeriodStart < BillingPeriodStart
    or ChargePeriodEnd > BillingPeriodEnd
    or EarlierPeriodEnd > ChargePeriodStart
