"""A pod and its workload, as the world knows them: plain facts, with every instant in microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.instants import NEVER

if TYPE_CHECKING:
    from simulator.world.fleet import Cluster, Pool, Project

SCHEDULED: Final = 1
STARTED: Final = 2
RESTARTED: Final = 4
COMPLETED: Final = 8
DELETED: Final = 16


@dataclass(frozen=True, slots=True)
class Request:
    """What a pod asks of its node; GPUs whole or in parts, by memory, as a MIG slice, or none."""

    cpu: tuple[float, float | None]
    memory: tuple[str, str | None]
    gpu: float | None = None
    gpu_limit: float | None = None
    gpu_memory: tuple[str, str | None] | None = None
    mig: str | None = None
    extended: tuple[dict[str, Any], ...] = ()

    @property
    def uses_gpu(self) -> bool:
        """Whether the pod runs on a GPU at all."""
        return bool(self.gpu or self.gpu_memory or self.mig)


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload: what all its pods have in common."""

    id: str
    name: str
    kind: str
    priority: str
    project: Project
    cluster: Cluster
    pools: tuple[str, ...]
    request: Request
    image: str
    sidecar: str | None
    tolerations: tuple[dict[str, Any], ...]
    affinity: dict[str, Any]


@dataclass(slots=True)
class Pod:
    """One pod's life. `NEVER` stands for what does not happen; `salt` decides its IP and its metrics."""

    id: str
    name: str
    workload: Workload
    revision_id: str | None
    pool: Pool
    salt: int
    created: int
    # Given by the placement: the indexes are those of the GPUs, on the node, that the pod holds or shares.
    node: str = ""
    gpus: tuple[int, ...] = ()
    scheduled: int = NEVER
    started: int = NEVER
    restarted: int = NEVER
    completed: int = NEVER
    deleted: int = NEVER
    visible: int = 0
    purged: int = NEVER
    end_phase: str = "Succeeded"
    is_hidden: bool = False
    edits: dict[str, Any] | None = None
    edition: int = 0

    @property
    def stopped(self) -> int:
        """When the pod ceased to hold its node: completed or deleted."""
        return min(self.completed, self.deleted)

    def flags(self, at: int) -> int:
        """Which of its instants have passed; between two changes of this number the pod stays as it is."""
        return (
            SCHEDULED * (self.scheduled <= at)
            | STARTED * (self.started <= at)
            | RESTARTED * (self.restarted <= at)
            | COMPLETED * (self.completed <= at)
            | DELETED * (self.deleted <= at)
        )

    def phase(self, flags: int) -> str:
        """The Kubernetes phase in a state; a deleted pod keeps the phase that it had."""
        if flags & COMPLETED:
            return self.end_phase
        return "Running" if flags & STARTED else "Pending"

    def phase_since(self, flags: int) -> int:
        """When the phase of a state began."""
        if flags & COMPLETED:
            return self.completed
        return self.started if flags & STARTED else self.created

    def allocated_gpu(self) -> float:
        """How many GPUs the pod holds while it is on its node; of a memory request, the share of the card."""
        request = self.workload.request
        if request.gpu_memory:
            return round(memory_mib(request.gpu_memory[0]) / max(self.pool.card.memory_mib, 1), 3)
        if request.mig:
            return round(int(request.mig[0]) / 7, 3)
        return request.gpu or 0


def memory_mib(quantity: str) -> float:
    """Mebibytes of a quantity in the spellings that the world uses."""
    units = {"Ti": 2**20, "Gi": 2**10, "Mi": 1.0, "T": 1e12 / 2**20, "G": 1e9 / 2**20, "M": 1e6 / 2**20}
    for unit, size in units.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * size
    return float(quantity) / 2**20
