-- One row per pod, day, resource (GPU, CPU, memory) and node pool: a charge in the shape of the FOCUS specification.
--
-- rebuilt by: pod_id, named ResourceId
--
-- Cost and Usage of FOCUS 1.4, ratified on 4 June 2026: its names as they are written there, in its order, then our
-- own, which begin with x_. Columns of what Run:ai does not have (commitments, reservations, invoices, split costs,
-- credentials) are left out, as the specification lets them be.
-- Charged is what a pod held, from its start to its end or the last run, piece by piece where its allocation changed:
-- not what it used, nor what it waited for. Days and months are those of the time zone of the reports.
-- Prices are those of the rate card that the configuration names, valid on the day on which the charge period begins;
-- a price for the node pool goes before one for all. Without a price, prices and costs are null, never 0: there, and
-- where the API gives no tenant, the specification is not met, which wants costs, a currency and an account always. The
-- other costs are the list cost, for there are no discounts. Nothing here was billed: BilledCost is what would be.
-- Names and ids of more than 253 characters, which Kubernetes does not have, are cut.
--
-- AvailabilityZone varchar: Null: Run:ai knows none.
-- BilledCost decimal(38, 18): The list cost; null where there is no price.
-- BillingAccountId varchar: The tenant.
-- BillingAccountName varchar: Null: the API gives no name of the tenant.
-- BillingCurrency varchar: Currency of all prices and costs, by ISO 4217; null without a rate card.
-- BillingPeriodEnd timestamptz: End of the month, excluded.
-- BillingPeriodStart timestamptz: Start of the month, included.
-- ChargeCategory varchar: `Usage`.
-- ChargeClass varchar: Null: no charge corrects another, days are computed again instead.
-- ChargeDescription varchar: The charge in words.
-- ChargeFrequency varchar: `Usage-Based`.
-- ChargePeriodEnd timestamptz: End of the day, excluded, though the pod may have ended before.
-- ChargePeriodStart timestamptz: Start of the day, included.
-- ConsumedQuantity decimal(20, 9): What the pod held, in ConsumedUnit; x_ExactQuantity rounded.
-- ConsumedUnit varchar: `GPU-Hours`, `Core-Hours` or `GiB-Hours`.
-- ContractedCost decimal(38, 18): ContractedUnitPrice times PricingQuantity, exactly.
-- ContractedUnitPrice decimal(18, 9): The list unit price.
-- EffectiveCost decimal(38, 18): The list cost.
-- HostProviderName varchar: `NVIDIA Run:ai`: who hosts the nodes is not known.
-- InvoiceIssuerName varchar: `NVIDIA Run:ai`.
-- ListCost decimal(38, 18): ListUnitPrice times PricingQuantity, exactly.
-- ListUnitPrice decimal(18, 9): Price per PricingUnit by the rate card; null where it has none.
-- PricingCategory varchar: `Standard`.
-- PricingQuantity decimal(20, 9): ConsumedQuantity.
-- PricingUnit varchar: ConsumedUnit.
-- RegionId varchar: Null: Run:ai knows no regions.
-- RegionName varchar: Null: Run:ai knows no regions.
-- ResourceId varchar: The pod; joins to `pods.pod_id`.
-- ResourceName varchar: Its name.
-- ResourceType varchar: `Pod`.
-- ServiceCategory varchar: `AI and Machine Learning`.
-- ServiceName varchar: `NVIDIA Run:ai`.
-- ServiceProviderName varchar: `NVIDIA Run:ai`.
-- ServiceSubcategory varchar: `AI Platforms`.
-- SkuId varchar: `gpu`, `cpu` or `memory`.
-- SkuMeter varchar: What is metered, in words.
-- SkuPriceDetails json: Null: nothing more is known of a price.
-- SkuPriceId varchar: The SKU, and the node pool where the price is one for it alone.
-- SubAccountId varchar: Project; null where the API gave none.
-- SubAccountName varchar: Its name as the pod has it.
-- Tags json: Whose and where it is, as far as names are known: `runai/project`, `runai/workload`, `runai/node-pool`.
-- x_ChargeDate date: The day; joins to `gpu_usage_daily.day`.
-- x_ClusterId varchar: Cluster.
-- x_ExactQuantity decimal(38, 9): What the pod held, in x_ExactUnit: sums of it are exact.
-- x_ExactUnit varchar: `GPU-Microseconds`, `Core-Microseconds` or `B-Microseconds`.
-- x_NodePoolName varchar: Node pool; null where unknown.
-- x_WorkloadId varchar: Workload.
-- x_WorkloadName varchar: Its name.
with pod_resource_days as (select * from pod_resource_days),

pods as (select * from pods),

named as (
    select
        pod_id,
        short(tenant_id) as tenant_id,
        short(cluster_id) as cluster_id,
        short(project_id) as project_id,
        short(project_name) as project_name,
        short(workload_id) as workload_id,
        short(workload_name) as workload_name,
        short(pod_name) as pod_name
    from pods
),

rate_card as (select * from rate_card),

reporting as (select * from reporting),

skus (resource, meter, unit, exact_unit, size) as (
    values
    ('gpu', 'GPU allocation', 'GPU-Hours', 'GPU-Microseconds', 1),
    ('cpu', 'CPU allocation', 'Core-Hours', 'Core-Microseconds', 1),
    ('memory', 'Memory allocation', 'GiB-Hours', 'B-Microseconds', 1073741824)
),

billing as (
    select
        any_value(reporting.time_zone) as time_zone,
        any_value(rate_card.currency) as currency
    from reporting
    left join rate_card on true
),

priced as (
    select
        pod_resource_days.*,
        cast(hours_of(pod_resource_days.micros) / skus.size as decimal(20, 9)) as quantity,
        skus.meter,
        skus.unit,
        skus.exact_unit,
        coalesce(of_pool.price, of_all.price) as price,
        case
            when of_pool.price is null then pod_resource_days.resource
            else concat(pod_resource_days.resource, '/', pod_resource_days.node_pool)
        end as price_id
    from pod_resource_days
    inner join skus on pod_resource_days.resource = skus.resource
    left join rate_card as of_pool
        on
            pod_resource_days.resource = of_pool.resource
            and pod_resource_days.node_pool = of_pool.node_pool
            and pod_resource_days.day >= of_pool.valid_from
            and pod_resource_days.day < of_pool.valid_to
    left join rate_card as of_all
        on
            pod_resource_days.resource = of_all.resource
            and of_all.node_pool is null
            and pod_resource_days.day >= of_all.valid_from
            and pod_resource_days.day < of_all.valid_to
),

final as (
    select
        cast(null as varchar) as AvailabilityZone,
        priced.price * priced.quantity as BilledCost,
        named.tenant_id as BillingAccountId,
        cast(null as varchar) as BillingAccountName,
        billing.currency as BillingCurrency,
        local_day_start(month_start(priced.day) + interval '1 month', billing.time_zone) as BillingPeriodEnd,
        local_day_start(month_start(priced.day), billing.time_zone) as BillingPeriodStart,
        'Usage' as ChargeCategory,
        cast(null as varchar) as ChargeClass,
        concat(priced.meter, ' of the pod ', named.pod_name, ' on ', priced.day) as ChargeDescription,
        'Usage-Based' as ChargeFrequency,
        local_day_start(priced.day + 1, billing.time_zone) as ChargePeriodEnd,
        local_day_start(priced.day, billing.time_zone) as ChargePeriodStart,
        priced.quantity as ConsumedQuantity,
        priced.unit as ConsumedUnit,
        priced.price * priced.quantity as ContractedCost,
        priced.price as ContractedUnitPrice,
        priced.price * priced.quantity as EffectiveCost,
        'NVIDIA Run:ai' as HostProviderName,
        'NVIDIA Run:ai' as InvoiceIssuerName,
        priced.price * priced.quantity as ListCost,
        priced.price as ListUnitPrice,
        'Standard' as PricingCategory,
        priced.quantity as PricingQuantity,
        priced.unit as PricingUnit,
        cast(null as varchar) as RegionId,
        cast(null as varchar) as RegionName,
        priced.pod_id as ResourceId,
        named.pod_name as ResourceName,
        'Pod' as ResourceType,
        'AI and Machine Learning' as ServiceCategory,
        'NVIDIA Run:ai' as ServiceName,
        'NVIDIA Run:ai' as ServiceProviderName,
        'AI Platforms' as ServiceSubcategory,
        priced.resource as SkuId,
        priced.meter as SkuMeter,
        cast(null as json) as SkuPriceDetails,
        priced.price_id as SkuPriceId,
        named.project_id as SubAccountId,
        named.project_name as SubAccountName,
        -- What is not known is no tag.
        without_nulls(
            json_object(
                'runai/project', named.project_name,
                'runai/workload', named.workload_name,
                'runai/node-pool', priced.node_pool
            )
        ) as Tags,
        priced.day as x_ChargeDate,
        named.cluster_id as x_ClusterId,
        priced.micros as x_ExactQuantity,
        priced.exact_unit as x_ExactUnit,
        priced.node_pool as x_NodePoolName,
        named.workload_id as x_WorkloadId,
        named.workload_name as x_WorkloadName
    from priced
    inner join named on priced.pod_id = named.pod_id
    cross join billing
)

select * from final
