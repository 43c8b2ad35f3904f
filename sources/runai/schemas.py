"""One explicit Arrow schema per raw table.

Raw holds what the API said, typed but not interpreted: nested parts stay JSON text, so that the physical schema is the
same on every destination, and every instant is a UTC timestamp in microseconds. Each table carries `observed_at` (when
the response arrived) and `read_index` (its place in the load); together with dlt's `_dlt_load_id` they are its key.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

INSTANT: Final = pa.timestamp("us", tz="UTC")
JSON_TEXT: Final = pa.string()


def _required(name: str, type_: pa.DataType) -> pa.Field:
    return pa.field(name, type_, nullable=False)


_OBSERVATION: Final = (_required("observed_at", INSTANT), _required("read_index", pa.int64()))

PODS: Final = pa.schema(
    [
        _required("id", pa.string()),
        pa.field("name", pa.string()),
        pa.field("workload_id", pa.string()),
        pa.field("workload_name", pa.string()),
        pa.field("revision_id", pa.string()),
        pa.field("project_id", pa.string()),
        pa.field("project_name", pa.string()),
        pa.field("cluster_id", pa.string()),
        pa.field("tenant_id", pa.string()),
        pa.field("priority_class_name", pa.string()),
        pa.field("k8s_phase", pa.string()),
        pa.field("k8s_phase_updated_at", INSTANT),
        pa.field("node_name", pa.string()),
        pa.field("current_node_pool", pa.string()),
        pa.field("ip", pa.string()),
        pa.field("created_at", INSTANT),
        pa.field("completed_at", INSTANT),
        pa.field("deleted_at", INSTANT),
        pa.field("updated_at", INSTANT),
        pa.field("containers", JSON_TEXT),
        pa.field("requested_node_pools", JSON_TEXT),
        pa.field("requested_resources", JSON_TEXT),
        pa.field("allocated_resources", JSON_TEXT),
        pa.field("tolerations", JSON_TEXT),
        pa.field("node_affinity", JSON_TEXT),
        # A JSON object: fields that the contract does not name, and known fields whose value could not be typed.
        pa.field("extra", JSON_TEXT),
        # `deletedAt` is set, or the pod came from a list of deleted pods: `deletedAt` itself may be null there. Once
        # true, it stays so until a plain list shows the pod on a control plane whose plain lists have no deleted ones.
        _required("is_deleted", pa.bool_()),
        _required("content_hash", pa.string()),
        # Which request found it: `open`, `completed`, `deleted`, `all`, `workload`, `revision` or `recount`.
        _required("found_by", pa.string()),
        *_OBSERVATION,
    ]
)

POD_ABSENCES: Final = pa.schema(
    [
        _required("pod_id", pa.string()),
        pa.field("workload_id", pa.string()),
        _required("as_of", INSTANT),
        # `workload` (its workload's pods were listed) or `created_day` (the whole day was listed).
        _required("looked_by", pa.string()),
        # `not_listed`, `workload_not_found` or `forbidden`.
        _required("outcome", pa.string()),
        *_OBSERVATION,
    ]
)

POD_COUNTS: Final = pa.schema(
    [
        _required("counted_at", INSTANT),
        # The instant that the reading stands for: the counts of one run share it.
        _required("as_of", INSTANT),
        # Whether it counts all pods; the others count days of `createdAt`, or what a caller narrowed them to.
        _required("is_whole", pa.bool_()),
        # What was counted, in the words of the request: the query string without its escapes.
        _required("filter", pa.string()),
        _required("api_count", pa.int64()),
        # Null where nothing was there to compare with (the resource used alone).
        pa.field("warehouse_count", pa.int64()),
        *_OBSERVATION,
    ]
)

POD_METRICS: Final = pa.schema(
    [
        _required("pod_id", pa.string()),
        _required("metric", pa.string()),
        pa.field("gpu", pa.string()),
        # A JSON object of every label but `gpu`; null where there are none.
        pa.field("labels", JSON_TEXT),
        pa.field("sampled_at", INSTANT),
        pa.field("value", pa.float64()),
        # The text of a value that is no finite number.
        pa.field("value_text", pa.string()),
        *_OBSERVATION,
    ]
)

POD_METRIC_HISTOGRAMS: Final = pa.schema(
    [
        _required("pod_id", pa.string()),
        _required("metric", pa.string()),
        pa.field("labels", JSON_TEXT),
        _required("sampled_at", INSTANT),
        # A JSON object of counts by upper edge, or of values by percentile, as text.
        _required("data", JSON_TEXT),
        *_OBSERVATION,
    ]
)

METRIC_WINDOWS: Final = pa.schema(
    [
        _required("pod_id", pa.string()),
        pa.field("workload_id", pa.string()),
        # JSON list of metric types.
        _required("asked", JSON_TEXT),
        # JSON object: the types that came, and at how many instants each has samples, on the GPU that has fewest;
        # null without an answer.
        pa.field("returned", JSON_TEXT),
        _required("window_from", INSTANT),
        _required("window_to", INSTANT),
        _required("resolution_seconds", pa.int64()),
        # `ok` (all that was expected), `short` (fewer samples), `partial` (types missing), `empty` (no sample),
        # `disabled` (types that this control plane does not give), `not_found` or `failed`.
        _required("status", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("http_status", pa.int64()),
        # Rows that the window added to `pod_metrics` and `pod_metric_histograms`.
        _required("samples", pa.int64()),
        # Instants at which every series should have a sample.
        pa.field("expected_samples", pa.int64()),
        # Between which instants the pod is known to have run, as far as that was known when it was asked.
        pa.field("started_at", INSTANT),
        pa.field("ended_at", INSTANT),
        _required("attempt", pa.int64()),
        *_OBSERVATION,
    ]
)

CLUSTER_PODS: Final = pa.schema(
    [
        _required("pod_id", pa.string()),
        pa.field("pod_name", pa.string()),
        pa.field("job_id", pa.string()),
        pa.field("pod_group_id", pa.string()),
        pa.field("cluster_uuid", pa.string()),
        pa.field("image_name", pa.string()),
        pa.field("node_id", pa.string()),
        pa.field("phase", pa.string()),
        pa.field("status", pa.string()),
        pa.field("namespace", pa.string()),
        pa.field("node_pool", pa.string()),
        pa.field("exists_in_cluster", pa.bool_()),
        # Epoch numbers; the contract does not give their unit, staging tells seconds from milliseconds by size.
        pa.field("created", pa.int64()),
        pa.field("started", pa.int64()),
        pa.field("completed", pa.int64()),
        pa.field("last_updated", pa.int64()),
        pa.field("resource_request", JSON_TEXT),
        pa.field("resource_allocation", JSON_TEXT),
        pa.field("dynamic_data", JSON_TEXT),
        pa.field("extra", JSON_TEXT),
        _required("content_hash", pa.string()),
        *_OBSERVATION,
    ]
)

REJECTS: Final = pa.schema(
    [
        # A payload with no pod in it, or that another in the same answer contradicts; each text is kept once.
        _required("endpoint", pa.string()),
        _required("reason", pa.string()),
        _required("payload", pa.string()),
        *_OBSERVATION,
    ]
)

RUNS: Final = pa.schema(
    [
        _required("run_id", pa.string()),
        _required("started_at", INSTANT),
        _required("finished_at", INSTANT),
        _required("as_of", INSTANT),
        # `loaded`: everything that was read is committed. `failed`: the run stopped; only what committed counts.
        _required("outcome", pa.string()),
        pa.field("error", pa.string()),
        # The `as_of` of the read of the open set, if this run completed one: what moves the cursors.
        pa.field("open_set_read_at", INSTANT),
        _required("requests", pa.int64()),
        _required("retries", pa.int64()),
        _required("pods_read", pa.int64()),
        _required("pods_changed", pa.int64()),
        _required("samples_read", pa.int64()),
        _required("windows_failed", pa.int64()),
        # Payloads that could not be taken, and how many of them no earlier run had kept.
        _required("rejects", pa.int64()),
        pa.field("rejects_new", pa.int64()),
        _required("version", pa.string()),
        # Where metrics begin to be wanted, and a JSON list of the types asked for; null for a run without metrics.
        pa.field("metrics_since", INSTANT),
        pa.field("metric_types", JSON_TEXT),
        # JSON object of the command's arguments; never a credential.
        _required("arguments", JSON_TEXT),
        _required("read_seconds", pa.float64()),
        _required("load_seconds", pa.float64()),
        *_OBSERVATION,
    ]
)

TABLES: Final[dict[str, pa.Schema]] = {
    "pods": PODS,
    "pod_absences": POD_ABSENCES,
    "pod_counts": POD_COUNTS,
    "pod_metrics": POD_METRICS,
    "pod_metric_histograms": POD_METRIC_HISTOGRAMS,
    "metric_windows": METRIC_WINDOWS,
    "cluster_pods": CLUSTER_PODS,
    "rejects": REJECTS,
    "runs": RUNS,
}
