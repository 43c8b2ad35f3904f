"""The contract's fields of a pod, by how they are typed in raw, and the coercions that never drop a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

import orjson

TEXT_FIELDS: Final[dict[str, str]] = {
    "name": "name",
    "workloadId": "workload_id",
    "workloadName": "workload_name",
    "revisionId": "revision_id",
    "projectId": "project_id",
    "projectName": "project_name",
    "clusterId": "cluster_id",
    "tenantId": "tenant_id",
    "priorityClassName": "priority_class_name",
    "k8sPhase": "k8s_phase",
    "nodeName": "node_name",
    "currentNodePool": "current_node_pool",
    "ip": "ip",
}
INSTANT_FIELDS: Final[dict[str, str]] = {
    "createdAt": "created_at",
    "completedAt": "completed_at",
    "deletedAt": "deleted_at",
    "updatedAt": "updated_at",
    "k8sPhaseUpdatedAt": "k8s_phase_updated_at",
}
JSON_FIELDS: Final[dict[str, str]] = {
    "containers": "containers",
    "requestedNodePools": "requested_node_pools",
    "requestedResources": "requested_resources",
    "allocatedResources": "allocated_resources",
    "tolerations": "tolerations",
    "nodeAffinity": "node_affinity",
}
KNOWN_FIELDS: Final = frozenset({"id", *TEXT_FIELDS, *INSTANT_FIELDS, *JSON_FIELDS})
NAMES: Final = frozenset({"workloadName", "projectName"})
"""Only `verbosity=full` shows these, so they say nothing about whether a pod changed."""
LARGEST_INT: Final = 2**63 - 1
"""What the contract's int64 holds, and a column of a table."""


def as_text(value: object) -> str:
    """Return a scalar as text, numbers as JSON writes them.

    Raises:
        ValueError: the value is a list or an object.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return as_json(value)
    msg = f"expected text, got {type(value).__name__}"
    raise ValueError(msg)


def as_instant(value: object) -> datetime:
    """Return an ISO 8601 instant in UTC; one without a zone is taken as UTC.

    Raises:
        ValueError: the value is no such text, or lies outside the years 1 to 9999.
    """
    if not isinstance(value, str):
        msg = f"expected an instant as text, got {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - one error for every value that cannot be read
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def is_set(instant: datetime | None) -> bool:
    """Whether an instant means one: Go writes its zero time, in the year 1, where it has none."""
    return instant is not None and instant.year > 1


def as_json(value: object) -> str:
    """Return the value as JSON text, members in order of their names, so that equal values have equal texts."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        # Whole numbers beyond 64 bits, and nesting beyond 254 levels.
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
