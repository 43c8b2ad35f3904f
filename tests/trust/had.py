"""What the control plane gave, and what it would have given: of neither may a sample be lost.

A sample is lost for good only where nobody could have it: the control plane forgot it, or never told it, in answers to
requests at all the times at which one that comes late must be asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.instants import DAY, micros, moment
from simulator.service.exchange import Given
from simulator.world.columns import Ints
from simulator.world.pods import Pod
from sources.runai.reading.windows import SETTLE_LAG
from tests.behaviour.scene import Scene
from tests.trust.covered import Key

Bools = npt.NDArray[np.bool_]

LATER: Final = (timedelta(hours=1), timedelta(hours=24))
"""How long after a window's end what did not come is asked for again."""
_LOST: Final = """
select distinct pod_id, metric, epoch_us(sampled_at) as instant
from (select pod_id, metric, sampled_at, {part} as part from truth)
anti join (select pod_id, metric, sampled_at, {part} as part from {table}) using (pod_id, metric, sampled_at, part)
order by all
"""
_NEVER: Final = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Reading:
    """A run that went well: between which instants, and the metric types that it asked for."""

    begin: datetime
    end: datetime
    types: frozenset[str]


@dataclass(frozen=True)
class Keeping:
    """How long the control plane keeps samples, at the least: of deleted pods, and in days of any."""

    of_deleted: bool = True
    days: float | None = None


def lost_instants(here: Scene, truth: pa.Table, buckets: pa.Table) -> dict[Key, Ints]:
    """By pod and metric, the instants in microseconds, in their order, of which a true sample is not published."""
    found: dict[Key, list[int]] = {}
    with duckdb.connect(str(here.data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        for table, part, rows in (
            ("pod_metrics", "coalesce(gpu, -1)", truth),
            ("pod_metric_histograms", "bucket", buckets),
        ):
            con.register("truth", rows)
            for pod_id, metric, instant in con.execute(_LOST.format(table=table, part=part)).fetchall():
                found.setdefault((pod_id, metric), []).append(instant)
            con.unregister("truth")
    return {key: np.array(instants, dtype=np.int64) for key, instants in found.items()}


@dataclass(frozen=True)
class Offer:
    """What there was to be had: by the runs that went well, from a control plane that keeps samples for so long.

    `step` is the microseconds between samples. Of the series in `off`, the type was left out of an answer, and may be
    switched off for all that one knows: it is tried again a day later.
    """

    here: Scene
    readings: Sequence[Reading]
    keeping: Keeping
    step: int
    off: Collection[Key] = ()

    def avoidable_losses(self, lost: Mapping[Key, Ints], unsure: Collection[str]) -> list[str]:
        """Say which of these instants were given, or could have been had in a run that did not ask for them.

        Of the pods in `unsure` nobody can say when the control plane knew them.
        """
        answers = self._answers()
        found = []
        for (pod_id, metric), instants in lost.items():
            pod = self.here.world.find(pod_id)
            if pod is None or pod_id in unsure:
                continue
            asked = [(at, one) for at, one in answers.get(pod_id, []) if metric in one.asked]
            for what, which in self._of_series(pod, metric, instants, asked):
                if which.any():
                    first, last = (moment(int(instants[which][end])) for end in (0, -1))
                    stretch = f"{first:%d %H:%M:%S} to {last:%d %H:%M:%S}"
                    found.append(f"{pod_id} {metric}: {which.sum()} {what}, {stretch}")
        return found

    def _answers(self) -> dict[str, list[tuple[int, Given]]]:
        """By pod, what was given in runs that went well, and when; what a failed one was given may be given again."""
        found: dict[str, list[tuple[int, Given]]] = {}
        later = iter(self.readings)
        current = next(later, None)
        for seen in self.here.simulator.requests:
            while current is not None and seen.world_at > current.end:
                current = next(later, None)
            if current is not None and seen.given is not None and current.begin <= seen.world_at:
                found.setdefault(seen.given.pod_id, []).append((micros(seen.world_at), seen.given))
        return found

    def _of_series(
        self, pod: Pod, metric: str, instants: Ints, asked: Sequence[tuple[int, Given]]
    ) -> Iterator[tuple[str, Bools]]:
        """What went wrong with which of the instants of one series."""
        window_to = np.full(len(instants), _NEVER)
        was_given = np.zeros(len(instants), dtype=bool)
        for _, one in asked:
            covered = _covers(one, instants)
            window_to[covered] = np.maximum(window_to[covered], one.end)
            if metric in one.served:
                was_given |= (one.first <= instants) & (instants <= one.last)
        yield "were given", was_given
        if (pod.id, metric) in self.off:
            return
        could = [(begin, had) for begin, had in self._could_be_had(pod, metric, instants) if had.any()]
        was_asked = window_to > _NEVER
        yield "were never asked for", ~was_asked & _any((had for _, had in could), len(instants))
        for later in LATER:
            # Of the longest window in which it was asked for: a part of that may be due sooner.
            due = window_to + later // timedelta(microseconds=1)
            could_later = _any((had & (begin >= due) for begin, had in could), len(instants))
            asked_later = _any((_covers(one, instants) & (at >= due) for at, one in asked), len(instants))
            yield (
                f"were not asked for again after {later // timedelta(hours=1)} h",
                was_asked & ~was_given & could_later & ~asked_later,
            )

    def _could_be_had(self, pod: Pod, metric: str, instants: Ints) -> Iterator[tuple[int, Bools]]:
        """For each run that asked for the metric, when it began, and which instants were there for as long as it ran.

        The newest steps do not count: of a pod that goes on, the last is asked for when there are more.
        """
        world, lag = self.here.world, SETTLE_LAG // timedelta(microseconds=1)
        for reading in self.readings:
            begin, end = micros(reading.begin), micros(reading.end)
            is_gone = pod.deleted <= end and not self.keeping.of_deleted
            if metric in reading.types and not is_gone and world.knows(pod, begin) and world.knows(pod, end):
                newest = min(world.reported(pod, begin), begin - lag) - 2 * self.step
                oldest = _NEVER if self.keeping.days is None else end - int(self.keeping.days * DAY)
                yield begin, (instants < newest) & (instants >= oldest)


def _covers(one: Given, instants: Ints) -> Bools:
    return (one.start <= instants) & (instants < one.end)


def _any(masks: Iterable[Bools], length: int) -> Bools:
    found: Bools = np.zeros(length, dtype=bool)
    for mask in masks:
        found |= mask
    return found
