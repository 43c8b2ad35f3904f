"""A pod in the words of the deprecated list by cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.world.pods import COMPLETED, DELETED, SCHEDULED, STARTED, memory_mib

if TYPE_CHECKING:
    from simulator.world.pods import Pod


def cluster_pod(pod: Pod, flags: int, unit: int) -> dict[str, Any]:
    """The JSON object, its epochs counted in units of so many microseconds; 0 for what has not happened."""
    workload = pod.workload
    passed = [pod.created]
    instants = (pod.scheduled, pod.started, pod.completed, pod.deleted)
    for flag, instant in zip((SCHEDULED, STARTED, COMPLETED, DELETED), instants, strict=True):
        if flags & flag:
            passed.append(instant)
    holds = flags & SCHEDULED and not flags & (COMPLETED | DELETED)
    asked = {
        "gpu": float(workload.request.gpu or 0),
        "cpu": workload.request.cpu[0],
        "memory": memory_mib(workload.request.memory[0]) * 2**20,
    }
    shown = {
        "podId": pod.id,
        "podName": pod.name,
        "jobId": workload.id,
        "podGroupId": f"pg-{workload.name}-{workload.id}",
        "clusterUuid": workload.cluster.id,
        "imageName": workload.image,
        "phase": pod.phase(flags),
        "status": "Deleted" if flags & DELETED else pod.phase(flags),
        "created": pod.created // unit,
        "completed": pod.completed // unit if flags & COMPLETED else 0,
        "lastUpdated": max(passed) // unit,
        "dynamicData": {"priorityClassName": workload.priority},
        "existsInCluster": not flags & DELETED,
        "resourceRequest": asked,
        "resourceAllocation": asked | {"gpu": pod.allocated_gpu()} if holds else {},
        "namespace": f"runai-{workload.project.name}",
    }
    if flags & SCHEDULED:
        shown |= {"nodeId": pod.node, "nodePool": pod.pool.name}
    return shown | ({"started": pod.started // unit} if flags & STARTED else {})
