"""The deprecated list of a cluster's pods, gone from 2.22 on: it alone shows the namespace and when a pod started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

from sources.runai.client import Reply, RunaiClient
from sources.runai.errors import BadRequest, NotFound, PermissionDenied, TransientError, Unavailable
from sources.runai.reading.fields import LARGEST_INT, as_json, as_text
from sources.runai.reading.observations import Batch, Observations, ReadingReport
from sources.runai.reading.payload import Payload, Row
from sources.runai.refusals import otherwise


def _as_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _as_int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError  # noqa: TRY004 - one error for every value that cannot be read
    number = int(value)
    if abs(number) > LARGEST_INT:
        raise ValueError
    return number


FIELDS: Final[tuple[tuple[str, str, Callable[[object], object]], ...]] = (
    ("podId", "pod_id", as_text),
    ("podName", "pod_name", as_text),
    ("jobId", "job_id", as_text),
    ("podGroupId", "pod_group_id", as_text),
    ("clusterUuid", "cluster_uuid", as_text),
    ("imageName", "image_name", as_text),
    ("nodeId", "node_id", as_text),
    ("phase", "phase", as_text),
    ("status", "status", as_text),
    ("namespace", "namespace", as_text),
    ("nodePool", "node_pool", as_text),
    ("existsInCluster", "exists_in_cluster", _as_bool),
    ("created", "created", _as_int),
    ("started", "started", _as_int),
    ("completed", "completed", _as_int),
    ("lastUpdated", "last_updated", _as_int),
    ("resourceRequest", "resource_request", as_json),
    ("resourceAllocation", "resource_allocation", as_json),
    ("dynamicData", "dynamic_data", as_json),
)
_KNOWN: Final = frozenset(field for field, _, _ in FIELDS)


def read_cluster_pods(
    client: RunaiClient, cluster_ids: Iterable[str], seen: Observations, *, known_hashes: Mapping[str, str]
) -> Iterator[Batch]:
    """Yield the pods of each cluster, those whose content is known to be the same left out.

    A control plane that refuses the list, no longer has it, or has no good answer is warned of: nothing else hangs on
    it.
    """
    for cluster_id in cluster_ids:
        path = _path(cluster_id)
        try:
            reply = list_cluster_pods(client, cluster_id)
        except (PermissionDenied, BadRequest, TransientError) as error:
            seen.report.warn(str(error))
            if isinstance(error, Unavailable) and error.status in (None, 429):
                # Nobody is there, or it is too much: each of the others would be waited for as long.
                return
            continue
        except NotFound:
            seen.report.warn(
                f"cluster {cluster_id} has no {path}: the deprecated list exists up to 2.21 only; "
                "leave SOURCES__RUNAI__CLUSTER_PODS unset on newer control planes"
            )
            continue
        for payload in _readable(reply, seen):
            row = _row(payload, seen.report)
            if known_hashes.get(row["pod_id"]) != row["content_hash"]:
                seen.add("cluster_pods", row, reply.received_at)
        yield from seen.batches(all_of_it=True)


def list_cluster_pods(client: RunaiClient, cluster_id: str) -> Reply[list[Any]]:
    """Ask for the pods of one cluster.

    Raises:
        BrokenAnswer: the answer is no list.
    """
    path = _path(cluster_id)
    reply: Reply[Any] = client.get(path)
    if not isinstance(reply.body, list):
        raise otherwise(path, "no list of pods")
    return reply


def _readable(reply: Reply[list[Any]], seen: Observations) -> Iterable[Payload]:
    readable = []
    for payload in reply.body:
        if isinstance(payload, dict) and isinstance(payload.get("podId"), str):
            readable.append(payload)
        else:
            seen.reject("cluster_pods", payload, "the pod has no podId", reply.received_at)
    return seen.one_each("cluster_pods", readable, reply.received_at, id_field="podId", updated_field="lastUpdated")


def _path(cluster_id: str) -> str:
    return f"/v1/k8s/clusters/{quote(cluster_id, safe='')}/pods"


def _row(payload: Payload, report: ReadingReport) -> Row:
    row: Row = {}
    extra = {field: value for field, value in payload.items() if field not in _KNOWN}
    report.unknown_fields.update(extra.keys())
    for field, column, coerce in FIELDS:
        value = payload.get(field)
        try:
            row[column] = None if value is None else coerce(value)
        except (ValueError, OverflowError):
            row[column] = None
            extra[field] = value
            report.unreadable_fields[field] += 1
    row["extra"] = as_json(extra) if extra else None
    row["content_hash"] = blake2b(as_json(payload).encode(), digest_size=16).hexdigest()
    return row
