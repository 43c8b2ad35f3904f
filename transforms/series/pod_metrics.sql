-- One row per sample: pod, metric, GPU, further labels and instant, as the API gave it first.
--
-- rebuilt by: day
--
-- Parquet only, a folder per UTC day of the sample. A value that is no number, or that stands for "no reading", is null
-- here and kept as text.
--
-- pod_id varchar: Kubernetes UID of the pod.
-- metric varchar: Metric type, as `metric_catalogue` names it.
-- gpu smallint: Index of the GPU on its node, null where the series has none.
-- sampled_at timestamptz: Instant of the sample.
-- value double: The value in the unit of `metric_catalogue`; null where the API gave no number.
-- value_text varchar: What the API gave in place of a number: NaN, an infinity, or a sentinel of 10^18 and more.
-- labels json: Labels of the series beyond the GPU's index, null where there are none.
with raw_pod_metrics as (select * from raw_pod_metrics),

final as (
    select
        pod_id,
        metric,
        gpu_index(gpu) as gpu,
        sampled_at,
        value,
        value_text,
        cast(series_labels(gpu, labels) as json) as labels
    from raw_pod_metrics
)

select * from final
