-- Costs in `focus_usage` are in one currency for each billing account, a code of three letters as in ISO 4217.
-- severity: error
-- looks at: changed pods
select
    BillingAccountId,
    list(distinct BillingCurrency) as currencies,
    count(*) filter (where BilledCost is not null and BillingCurrency is null) as costs_without
from focus_usage
group by BillingAccountId
having
    count(distinct BillingCurrency) > 1
    or costs_without > 0
    or not coalesce(bool_and(regexp_full_match(BillingCurrency, '[A-Z]{3}')), true)
