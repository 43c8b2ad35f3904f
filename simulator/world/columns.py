"""The pods as numpy columns, so that a filtered, sorted page out of 100,000 costs milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from simulator.instants import NEVER
from simulator.world.pods import COMPLETED, DELETED, RESTARTED, SCHEDULED, STARTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulator.world.pods import Pod

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_INSTANTS: Final = ("created", "scheduled", "started", "restarted", "completed", "deleted", "visible", "purged")


@dataclass(frozen=True)
class Texts:
    """A text column: sorted distinct values, and each row's place among them; `NEVER` stands for null."""

    values: list[str]
    codes: Ints

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> Texts:
        """The column of these texts."""
        rows = list(texts)
        values = sorted({text for text in rows if text is not None})
        places: dict[str | None, int] = {text: place for place, text in enumerate(values)}
        return cls(values, np.array([places.get(text, NEVER) for text in rows], dtype=np.int64))

    def hidden_unless(self, shown: Mask) -> Texts:
        """The same column, null where `shown` is false."""
        return Texts(self.values, np.where(shown, self.codes, NEVER))


@dataclass(frozen=True)
class Snapshot:
    """What the control plane knows at one instant, a row per pod ever born; `NEVER` stands for null."""

    pods: Sequence[Pod]
    is_listed: Mask
    flags: Ints
    editions: Ints
    dates: dict[str, Ints]
    texts: dict[str, Texts]
    projects: Texts


class Columns:
    """The columns of a list of pods, as they are in the long run; a snapshot cuts them to one instant."""

    def __init__(self, pods: Sequence[Pod]) -> None:
        self.pods = pods
        self._at: dict[str, Ints] = {
            name: np.fromiter((getattr(pod, name) for pod in pods), np.int64, len(pods)) for name in _INSTANTS
        }
        self._editions = np.fromiter((pod.edition for pod in pods), np.int64, len(pods))
        self._is_hidden = np.fromiter((pod.is_hidden for pod in pods), np.bool_, len(pods))
        self.clusters = Texts.of(pod.workload.cluster.id for pod in pods)
        self.projects = Texts.of(pod.workload.project.id for pod in pods)
        self._workloads = Texts.of(pod.workload.id for pod in pods)
        self._revisions = Texts.of(pod.revision_id for pod in pods)
        self._nodes = Texts.of(pod.node for pod in pods)
        self._pools = Texts.of(pod.pool.name for pod in pods)

    def snapshot(self, at: int, seen: int | Ints, purge_after: int) -> Snapshot:
        """The state at an instant; `seen` is the instant up to which each pod's cluster has reported."""
        past: dict[str, Any] = {name: self._at[name] <= seen for name in ("scheduled", "started", "restarted")}
        completed, deleted = self._at["completed"] <= seen, self._at["deleted"] <= seen
        is_gone = (self._at["deleted"] + purge_after <= at) | (self._at["purged"] <= at)
        return Snapshot(
            pods=self.pods,
            projects=self.projects,
            is_listed=(self._at["visible"] <= at) & (self._at["created"] <= seen) & ~is_gone & ~self._is_hidden,
            flags=past["scheduled"] * SCHEDULED + past["started"] * STARTED + past["restarted"] * RESTARTED
            + completed * COMPLETED + deleted * DELETED,
            editions=self._editions,
            dates={
                "createdAt": self._at["created"],
                "completedAt": np.where(completed, self._at["completed"], NEVER),
                "deletedAt": np.where(deleted, self._at["deleted"], NEVER),
            },
            texts={
                "clusterId": self.clusters,
                "workloadId": self._workloads,
                "revisionId": self._revisions,
                "nodeName": self._nodes.hidden_unless(past["scheduled"]),
                "currentNodepool": self._pools.hidden_unless(past["scheduled"]),
            },
        )  # fmt: skip
