"""What is true of a pod at an instant, for a test to hold its findings against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.contract import Contract
from simulator.instants import micros, moment
from simulator.world import waste
from simulator.world.payload import Manner, payload

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.world.pods import Pod


class Span(NamedTuple):
    """A stretch of a pod's life in which phase, node, pool and allocation stay; `to` is None while it lasts."""

    start: datetime
    to: datetime | None
    phase: str
    node: str | None
    pool: str | None
    allocated_gpu: float | None


@dataclass(frozen=True)
class TruthPod:
    """A pod as it truly is at an instant, whatever the control plane shows; later instants are None."""

    pod: Pod
    at: int
    purge_after: int

    @property
    def id(self) -> str:
        """The pod's id."""
        return self.pod.id

    @property
    def name(self) -> str:
        """The pod's name."""
        return self.pod.name

    @property
    def workload_id(self) -> str:
        """The id of its workload."""
        return self.pod.workload.id

    @property
    def revision_id(self) -> str | None:
        """The inference revision, if it serves one."""
        return self.pod.revision_id

    @property
    def project_id(self) -> str:
        """The id of its project."""
        return self.pod.workload.project.id

    @property
    def cluster_id(self) -> str:
        """The id of its cluster."""
        return self.pod.workload.cluster.id

    @property
    def kind(self) -> str:
        """The kind of its workload, as `kinds.json` names it."""
        return self.pod.workload.kind

    @property
    def waste(self) -> str | None:
        """What it was planted to waste, as `pod_efficiency` names it; None for nothing that can be told."""
        return waste.planted(self.pod)

    @property
    def created_at(self) -> datetime:
        """When it was created."""
        return moment(self.pod.created)

    @property
    def started_at(self) -> datetime | None:
        """When its first container first started."""
        return self._past(self.pod.started)

    @property
    def completed_at(self) -> datetime | None:
        """When it succeeded or failed."""
        return self._past(self.pod.completed)

    @property
    def deleted_at(self) -> datetime | None:
        """When it was deleted."""
        return self._past(self.pod.deleted)

    @property
    def visible_from(self) -> datetime:
        """When the control plane learned, or will learn, of it; outages of its cluster come on top."""
        return moment(self.pod.visible)

    @property
    def purged_at(self) -> datetime | None:
        """When the control plane forgot it."""
        return self._past(min(self.pod.purged, self.pod.deleted + self.purge_after))

    @property
    def gpus(self) -> tuple[int, ...]:
        """The indexes of its GPUs on its node; empty for a pod without, or without a node."""
        return self.pod.gpus

    @property
    def phases(self) -> list[Span]:
        """Its life up to the instant, without gaps; it ends with the deletion."""
        pod, stop = self.pod, min(self.at, self.pod.deleted)
        cuts = [
            cut for cut in (pod.created, pod.scheduled, pod.started, pod.completed) if cut <= stop and cut < pod.deleted
        ]
        ends: list[datetime | None] = [moment(cut) for cut in cuts[1:]]
        return [self._span(cut, end) for cut, end in zip(cuts, [*ends, self._past(pod.deleted)], strict=True)]

    def payload(self, at: datetime | None = None, version: str = "2.21") -> dict[str, Any]:
        """The pod as the API gives it at full verbosity, now or at another instant, with every switch at rest."""
        flags = self.pod.flags(self.at if at is None else micros(at))
        return payload(self.pod, flags, Manner.of(Contract(version)))

    def _span(self, start: int, end: datetime | None) -> Span:
        pod, flags = self.pod, self.pod.flags(start)
        is_placed, is_over = pod.scheduled <= start, pod.completed <= start
        return Span(
            moment(start),
            end,
            pod.phase(flags),
            pod.node if is_placed else None,
            pod.pool.name if is_placed else None,
            pod.allocated_gpu() if is_placed and not is_over else None,
        )

    def _past(self, instant: int) -> datetime | None:
        return moment(instant) if instant <= self.at else None
