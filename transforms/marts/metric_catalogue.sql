-- One row per metric type: those that the project knows, and those that a control plane gave unasked.
--
-- rebuilt by: whole
--
-- metric varchar: Metric type; newer control planes may call it otherwise.
-- unit varchar: Unit of its values; `unknown_ratio` where the API does not say whether 1 or 100 is all of it.
-- per_gpu boolean: Whether there is a series for each GPU.
-- is_advanced boolean: Whether `--metrics basic` leaves it out.
-- since_version varchar: First version of the control plane that has it.
-- observed_min double: Least value seen.
-- observed_max double: Greatest value seen.
-- scale_note varchar: What the values seen say against the unit, or of one that is not declared.
-- kind varchar: `series`, `histogram` or `percentiles`.
-- meaning varchar: What it measures.
-- samples bigint: Samples published.
-- unreadable_samples bigint: Those of them without a number: NaN, infinities and sentinels.
with catalogue as (select * from catalogue),

metric_ranges as (select * from metric_ranges),

final as (
    select
        metric,
        catalogue.unit,
        catalogue.per_gpu,
        catalogue.is_advanced,
        catalogue.since_version,
        metric_ranges.observed_min,
        metric_ranges.observed_max,
        case
            when catalogue.metric is null
                then 'not in the catalogue: its unit is not known'
            when catalogue.unit = 'percent' and metric_ranges.observed_max > 100
                then 'values above 100 were seen, though the unit is percent'
            when catalogue.unit = 'percent' and metric_ranges.observed_max between 1e-9 and 1
                then 'no value above 1 was seen: this control plane may count 1 as all of it'
            when catalogue.unit = 'ratio' and metric_ranges.observed_max > 1
                then 'values above 1 were seen: this control plane may count 100 as all of it'
            when catalogue.unit = 'unknown_ratio' and metric_ranges.observed_max > 1
                then 'values above 1 were seen: 100 seems to be all of it'
            when catalogue.unit = 'unknown_ratio' and metric_ranges.observed_max > 0
                then 'no value above 1 was seen: 1 seems to be all of it'
            when metric_ranges.observed_min < 0
                then 'values below 0 were seen'
        end as scale_note,
        catalogue.kind,
        catalogue.meaning,
        coalesce(metric_ranges.samples, 0) as samples,
        coalesce(metric_ranges.unreadable, 0) as unreadable_samples
    from catalogue
    full outer join metric_ranges using (metric)
)

select * from final
