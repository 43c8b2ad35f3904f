-- Charges in `focus_usage` belong to no billing account, which FOCUS wants: the API gave no tenant of these pods.
-- severity: warn
-- looks at: changed pods
select
    x_ClusterId,
    count(distinct ResourceId) as pods
from focus_usage
where BillingAccountId is null
group by x_ClusterId
