"""A pod in the API's own words, at full verbosity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.instants import SECOND, Stamps
from simulator.world.pods import COMPLETED, DELETED, RESTARTED, SCHEDULED, STARTED, memory_mib

if TYPE_CHECKING:
    from simulator.contract import Contract
    from simulator.world.pods import Pod, Request

TENANT_ID = 1001


@dataclass(frozen=True)
class Manner:
    """How a control plane shows a pod: the fields of its version, and habits that no contract settles."""

    fields: frozenset[str]
    has_mig_profile: bool
    stamps: Stamps = field(default_factory=Stamps)
    keeps_allocation: bool = False
    deletion_is_update: bool = True
    shows_deleted_at: bool = True

    @classmethod
    def of(cls, contract: Contract, **habits: Any) -> Manner:
        """The manner of a version, with habits by name."""
        return cls(frozenset(contract.schema("Pod")["properties"]), contract.has("Requested", "migProfile"), **habits)


def payload(pod: Pod, flags: int, manner: Manner) -> dict[str, Any]:
    """The pod in the state that `flags` names, as the API's JSON object."""
    workload = pod.workload
    is_placed, is_over = bool(flags & SCHEDULED), bool(flags & (COMPLETED | DELETED))
    is_running = bool(flags & STARTED) and not is_over
    holds = is_placed and (manner.keeps_allocation or not is_over)
    created, updated, since, completed, deleted, *starts = _stamps(pod, flags, manner)
    everything = {
        "id": pod.id,
        "name": pod.name,
        "priorityClassName": workload.priority,
        "workloadId": workload.id,
        "revisionId": pod.revision_id,
        "clusterId": workload.cluster.id,
        "projectId": workload.project.id,
        "nodeName": pod.node if is_placed else None,
        "createdAt": created,
        "completedAt": completed if flags & COMPLETED else None,
        "containers": _containers(pod, starts if flags & STARTED else [None, None]),
        "currentNodePool": pod.pool.name if is_placed else None,
        "requestedNodePools": list(workload.pools),
        "requestedResources": _requested(workload.request, manner),
        "allocatedResources": _allocated(pod, manner) if holds else None,
        "tolerations": list(workload.tolerations),
        "k8sPhase": pod.phase(flags),
        "ip": f"{workload.cluster.network}.{pod.salt % 64}.{pod.salt % 253 + 1}" if is_running else None,
        "nodeAffinity": workload.affinity,
        "tenantId": TENANT_ID,
        "k8sPhaseUpdatedAt": since,
        "updatedAt": updated,
        "deletedAt": deleted if flags & DELETED and manner.shows_deleted_at else None,
        "projectName": workload.project.name,
        "workloadName": workload.name,
    }
    return {name: value for name, value in everything.items() if name in manner.fields} | (pod.edits or {})


def _stamps(pod: Pod, flags: int, manner: Manner) -> list[str]:
    """Texts of: created, updated, phase since, completed, deleted, start of the container, start of its sidecar."""
    passed = [pod.created]
    for flag, instant in (
        (SCHEDULED, pod.scheduled),
        (STARTED, pod.started),
        (RESTARTED, pod.restarted),
        (COMPLETED, pod.completed),
        (DELETED if manner.deletion_is_update else 0, pod.deleted),
    ):
        if flags & flag:
            passed.append(instant)
    start = pod.restarted if flags & RESTARTED else pod.started
    known = [pod.completed if flags & COMPLETED else 0, pod.deleted if flags & DELETED else 0]
    starts = [start, pod.started + SECOND] if flags & STARTED else [0, 0]
    instants = (pod.created, max(passed), pod.phase_since(flags), *known, *starts)
    return [manner.stamps.one(instant) for instant in instants]


def _containers(pod: Pod, starts: list[Any]) -> list[dict[str, Any]]:
    workload = pod.workload
    main = {
        "name": "user-container" if workload.sidecar else workload.name,
        "image": workload.image,
        "startedAt": starts[0],
    }
    if not workload.sidecar:
        return [main]
    image = "gcr.io/knative-releases/knative.dev/serving/cmd/queue:v1.15.2"
    return [main, {"name": workload.sidecar, "image": image, "startedAt": starts[1]}]


def _pair(values: tuple[Any, Any] | None) -> dict[str, Any] | None:
    return None if values is None else {"request": values[0], "limit": values[1]}


def _requested(request: Request, manner: Manner) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "gpuRequestType": "portion" if request.gpu else "memory" if request.gpu_memory else None,
        "gpu": _pair((request.gpu, request.gpu_limit or request.gpu)) if request.gpu else None,
        "gpuMemory": _pair(request.gpu_memory),
        "cpu": _pair(request.cpu),
        "cpuMemory": _pair(request.memory),
        "extendedResources": _extended(request, manner),
    }
    if manner.has_mig_profile:
        shown["migProfile"] = request.mig
        shown["gpuRequestType"] = "migProfile" if request.mig else shown["gpuRequestType"]
    return shown


def _allocated(pod: Pod, manner: Manner) -> dict[str, Any]:
    request, gpus = pod.workload.request, pod.allocated_gpu()
    memory = (
        int(request.mig.partition(".")[2].removesuffix("gb")) * 1024 if request.mig else gpus * pod.pool.card.memory_mib
    )
    shown: dict[str, Any] = {
        "gpu": gpus,
        "gpuMemory": f"{memory:.0f}Mi",
        "cpu": request.cpu[0],
        "cpuMemory": f"{memory_mib(request.memory[0]):.0f}Mi",
        "extendedResources": _extended(request, manner),
    }
    if manner.has_mig_profile:
        shown["migProfile"] = request.mig
    return shown


def _extended(request: Request, manner: Manner) -> list[dict[str, Any]]:
    """Extended resources; where a version has no field for a MIG profile, the slice is one of them."""
    slices = [{"resource": f"nvidia.com/mig-{request.mig}", "quantity": "1", "exclude": False}]
    return [*request.extended, *(slices if request.mig and not manner.has_mig_profile else ())]
