-- One row per pod that gave a sample of a NIM type.
with metric_spans as (select * from metric_spans),

metric_gaps as (select * from metric_gaps),

final as (
    select pod_id from metric_spans
    where is_nim(metric) and covered_seconds > 0
    union
    select pod_id from metric_gaps
    where is_nim(metric) and instants > 0
)

select * from final
