"""What the warehouse must say, from the simulator's truth."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulator import TruthPod, World
from simulator.instants import micros
from sources.runai.reading.fields import as_instant

SAME = {
    "pod_name": "name",
    "workload_id": "workloadId",
    "workload_name": "workloadName",
    "project_id": "projectId",
    "project_name": "projectName",
    "cluster_id": "clusterId",
    "priority_class": "priorityClassName",
    "phase": "k8sPhase",
}
INSTANTS = {
    "created_at": "createdAt",
    "completed_at": "completedAt",
    "deleted_at": "deletedAt",
    "phase_updated_at": "k8sPhaseUpdatedAt",
}


def offered(world: World, at: datetime, since: datetime | None = None) -> dict[str, TruthPod]:
    """Pods that the control plane shows at `at`, or at any time from `since` until then, deleted ones too, by id."""
    moment, first = micros(at), micros(since or at)
    return {pod.id: pod for pod in world.truth_at(at) if world.knows(pod.pod, moment, first)}


def expected(pod: TruthPod, version: str = "2.21") -> dict[str, Any]:
    """The columns of `pods` that follow from a pod's payload alone."""
    payload = pod.payload(version=version)
    instants = {column: payload.get(field) for column, field in INSTANTS.items()}
    return {column: payload.get(field) for column, field in SAME.items()} | {
        column: None if text is None else as_instant(text) for column, text in instants.items()
    }


def differences(published: dict[str, dict[str, Any]], pods: dict[str, TruthPod], version: str = "2.21") -> list[str]:
    """Say where published pods are not what they must be; an empty list is a perfect copy.

    Instants are compared to the second, for the control plane may show no more.
    """
    said = [f"{pod_id}: lost" for pod_id in pods.keys() - published.keys()]
    for pod_id, pod in pods.items():
        row = published.get(pod_id, {})
        wanted = expected(pod, version)
        said += [
            f"{pod_id}.{column}: {row[column]!r}, not {value!r}"
            for column, value in wanted.items()
            if row and _to_the_second(row[column]) != _to_the_second(value)
        ]
        if row and row["is_deleted"] != (pod.deleted_at is not None):
            said.append(f"{pod_id}.is_deleted: {row['is_deleted']}")
    return said


def _to_the_second(value: Any) -> Any:
    return value.replace(microsecond=0) if isinstance(value, datetime) else value
