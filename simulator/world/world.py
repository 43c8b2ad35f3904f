"""The world: its pods up to the clock, what the control plane knows of them, and interventions."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.instants import DAY, NEVER, micros
from simulator.world import metrics
from simulator.world.births import Births, Habits, new_id
from simulator.world.columns import Columns, Ints, Snapshot
from simulator.world.fleet import build
from simulator.world.placement import Placement
from simulator.world.truth import TruthPod

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from simulator.clock import Clock
    from simulator.world.config import WorldConfig
    from simulator.world.pods import Pod

PURGE_AFTER = 14 * DAY


class World:
    """Every pod ever born, deterministic in seed and clock, until a test intervenes. Safe to change from any thread."""

    def __init__(self, config: WorldConfig, clock: Clock) -> None:
        self.config, self.clock = config, clock
        self.lock = RLock()
        # How long a deleted pod can still be read; a simulator sets it from its switches.
        self.purge_after = PURGE_AFTER
        # Counts every change, so that whatever was computed from the world can be told stale.
        self.edition = 0
        self._rng = Random(f"{config.seed}/world")
        self._epoch_length = int(config.days * DAY)
        self.fleet = build(self._rng, new_id)
        self._births = Births(
            self.fleet,
            Habits(
                config.life_scale, config.deleted_share, config.auto_delete_days, config.late_share, config.late_hours
            ),
        )
        self._outages = [(micros(outage.start), micros(outage.end), outage.cluster) for outage in config.outages]
        self._placement = Placement()
        self._pods: list[Pod] = []
        self._by_id: dict[str, Pod] = {}
        self._epochs = 0
        self._columns: Columns | None = None

    # What is true

    def truth(self) -> list[TruthPod]:
        """Every pod born up to the clock, the deleted, purged and not yet visible ones too."""
        return self.truth_at(self.clock.now())

    def truth_at(self, at: datetime) -> list[TruthPod]:
        """Every pod born up to an instant, as it was then."""
        instant = micros(at)
        with self.lock:
            self._grow(instant)
            return [TruthPod(pod, instant, self.purge_after) for pod in self._pods if pod.created <= instant]

    def pod(self, pod_id: str) -> TruthPod:
        """One pod as of the clock; an unknown id is a KeyError."""
        return TruthPod(self._known(pod_id), self.clock.micros(), self.purge_after)

    def metric_value(self, pod_id: str, metric: str, gpu: int | None, at: datetime) -> float | None:
        """The value of a metric at an instant; None where the pod has none: not running, or no such GPU."""
        return metrics.value(self._known(pod_id), metric, gpu, micros(at))

    # What the control plane knows

    def snapshot(self, at: int) -> Snapshot:
        """What is known at an instant in microseconds, as columns."""
        with self.lock:
            self._grow(at)
            if self._columns is None:
                self._columns = Columns(list(self._pods))
            return self._columns.snapshot(at, self._seen(self._columns, at), self.purge_after)

    def reported(self, pod: Pod, at: int) -> int:
        """The instant up to which a pod's cluster has reported."""
        cluster = self.fleet.clusters.index(pod.workload.cluster)
        return min([at, *(start for start, end, place in self._outages if place == cluster and start <= at < end)])

    def knows(self, pod: Pod, at: int, since: int | None = None) -> bool:
        """Whether the control plane can show a pod at `at`, or, given `since`, at any time from then until `at`."""
        is_gone = min(pod.purged, pod.deleted + self.purge_after) <= (at if since is None else since)
        return pod.visible <= at and pod.created <= self.reported(pod, at) and not is_gone and not pod.is_hidden

    def find(self, pod_id: str) -> Pod | None:
        """A pod by its id, whether the control plane shows it or not."""
        try:
            return self._known(pod_id)
        except KeyError:
            return None

    # Interventions

    def add(
        self,
        count: int = 1,
        *,
        created_at: datetime | None = None,
        kind: str = "training",
        like: str | None = None,
        phase: str = "Succeeded",
        **instants: datetime | None,
    ) -> list[TruthPod]:
        """Add pods of one workload (or of the workload of pod `like`), created at one instant, now by default.

        Further instants by name: `scheduled_at`, `started_at`, `restarted_at`, `completed_at`, `deleted_at`,
        `visible_from`. A pod that starts or completes is scheduled at once; without any of them it waits for a node.
        """
        given = {_column(name): micros(instant) for name, instant in instants.items() if instant is not None}
        with self.lock:
            workload = self._known(like).workload if like else self._births.workload(self._rng, kind)
            created = self._instant(created_at)
            if given.keys() & {"started", "restarted", "completed"}:
                given = {"scheduled": created, "started": given.get("scheduled", created)} | given
            pods = [self._births.pod(self._rng, workload, created, replica=replica) for replica in range(count)]
            for pod in pods:
                pod.end_phase = phase
                for name, instant in given.items():
                    setattr(pod, name, instant)
            self._take_in(pods)
            return [TruthPod(pod, self.clock.micros(), self.purge_after) for pod in pods]

    def complete(self, pod_id: str, at: datetime | None = None, phase: str = "Succeeded") -> None:
        """Let a pod complete, now by default; one that waited is scheduled and started at that same instant."""
        instant, pod = self._instant(at), self._known(pod_id)
        scheduled, started = min(pod.scheduled, instant), min(pod.started, instant)
        restarted = pod.restarted if pod.restarted <= instant else NEVER
        self._change(
            pod_id, scheduled=scheduled, started=started, restarted=restarted, completed=instant, end_phase=phase
        )

    def kill(self, pod_id: str, at: datetime | None = None) -> None:
        """Let a pod fail, now by default."""
        self.complete(pod_id, at, phase="Failed")

    def delete(self, pod_id: str, at: datetime | None = None) -> None:
        """Delete a pod, now by default; what it still had before it does not happen."""
        instant, pod = self._instant(at), self._known(pod_id)
        coming = ("scheduled", "started", "restarted", "completed")
        self._change(pod_id, deleted=instant, **{name: NEVER for name in coming if getattr(pod, name) > instant})

    def undelete(self, pod_id: str) -> None:
        """Take a deletion back: the control plane lists the pod among the others again."""
        self._change(pod_id, deleted=NEVER)

    def purge(self, pod_id: str, at: datetime | None = None) -> None:
        """Let the control plane forget a pod, now by default."""
        self._change(pod_id, purged=self._instant(at))

    def hide(self, *, pod_ids: Iterable[str] = (), project_id: str | None = None, is_hidden: bool = True) -> None:
        """Take away (or give back) the permission to see pods, one by one or by project."""
        chosen = set(pod_ids)
        with self.lock:
            self._grow(self.clock.micros())
            for pod in self._pods:
                if pod.id in chosen or pod.workload.project.id == project_id:
                    pod.is_hidden = is_hidden
            self._stale()

    def edit(self, pod_id: str, **fields: Any) -> None:
        """Change fields of a pod's payload by their API names, without a trace in its timestamps."""
        self._change(pod_id, edits={**(self._known(pod_id).edits or {}), **fields})

    def move(self, pod_id: str, workload_id: str) -> None:
        """Let a pod belong to another workload of the same name and shape, without a trace in its timestamps."""
        self._change(pod_id, workload=replace(self._known(pod_id).workload, id=workload_id))

    def _change(self, pod_id: str, **facts: Any) -> None:
        with self.lock:
            pod = self._known(pod_id)
            for name, value in facts.items():
                setattr(pod, name, value)
            pod.edition += 1
            self._stale()

    def _known(self, pod_id: str) -> Pod:
        with self.lock:
            self._grow(self.clock.micros())
            return self._by_id[pod_id]

    def _instant(self, at: datetime | None) -> int:
        return self.clock.micros() if at is None else micros(at)

    def _grow(self, at: int) -> None:
        start = micros(self.config.start)
        while start + self._epochs * self._epoch_length <= at:
            seed = f"{self.config.seed}/{self._epochs}"
            begin = start + self._epochs * self._epoch_length
            self._take_in(self._births.epoch(seed, begin, self._epoch_length, self.config.pods))
            self._epochs += 1

    def _take_in(self, pods: list[Pod]) -> None:
        self._placement.place(pods)
        self._pods.extend(pods)
        self._by_id.update((pod.id, pod) for pod in pods)
        self._stale()

    def _stale(self) -> None:
        self._columns = None
        self.edition += 1

    def _seen(self, columns: Columns, at: int) -> int | Ints:
        if not any(start <= at < end for start, end, _ in self._outages):
            return at
        ids = [cluster.id for cluster in self.fleet.clusters]
        by_code = {place: code for code, id_ in enumerate(columns.clusters.values) if (place := ids.index(id_)) >= 0}
        seen = np.full(len(columns.pods), at, dtype=np.int64)
        for start, end, place in self._outages:
            if start <= at < end and place in by_code:
                seen[columns.clusters.codes == by_code[place]] = start
        return seen


def _column(name: str) -> str:
    if name not in {"scheduled_at", "started_at", "restarted_at", "completed_at", "deleted_at", "visible_from"}:
        raise TypeError(f"add() has no argument {name!r}")
    return "visible" if name == "visible_from" else name.removesuffix("_at")
