"""Windows: which stretch of a pod's life, and which metric types, one request asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sources.runai.catalogue import requests_of

MOST_TYPES: Final = 9
"""Types in one request: more than ten are refused, and nobody knows whether ten are."""
MOST_SAMPLES: Final = 1_000
SETTLE_LAG: Final = timedelta(seconds=120)
"""Samples younger than this may still change or arrive."""


@dataclass(frozen=True, slots=True)
class MetricTarget:
    """A pod, and the stretch of its life of which metrics are wanted.

    Instants are UTC. `until` None is the present, less the settle lag. `metrics` None are those of the reading, and
    `resolution` None is its resolution, in seconds. `started_at` and `ended_at` bound the time in which samples can be
    expected; `attempt` counts how often this stretch is asked for; `newest_first` lets a stretch that reaches back in
    time grow from its end, so that what is there stays without a gap wherever a reading stops.
    """

    pod_id: str
    workload_id: str
    since: datetime
    until: datetime | None = None
    metrics: tuple[str, ...] | None = None
    resolution: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = 1
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """One request: some types over a stretch on the grid of multiples of the resolution since the epoch."""

    target: MetricTarget
    types: tuple[str, ...]
    start: datetime
    end: datetime
    resolution: int

    @property
    def samples(self) -> int:
        """How many samples of each series the window holds at its resolution."""
        return int((self.end - self.start).total_seconds()) // self.resolution

    @property
    def expected(self) -> int:
        """How many of them lie surely within the pod's running time."""
        step = timedelta(seconds=self.resolution)
        started, ended = self.target.started_at, self.target.ended_at
        # Of instants at either end of all time no step can be counted on.
        first = self.start if started is None else max(self.start, min(started, self.end) + step)
        last = self.end if ended is None else min(self.end, max(ended, self.start) - step)
        return max(0, math.floor((last - first) / step))

    def of_types(self, types: Sequence[str]) -> Window:
        """Return the same stretch for other types."""
        return replace(self, types=tuple(types))

    def stretches(self, most_samples: int) -> list[Window]:
        """Return windows of at most so many samples that together are this one, oldest first."""
        longest = timedelta(seconds=self.resolution * most_samples)
        starts = [self.start]
        while starts[-1] + longest < self.end:
            starts.append(starts[-1] + longest)
        return [replace(self, start=start, end=min(start + longest, self.end)) for start in starts]


def windows_of(target: MetricTarget, types: Sequence[str], as_of: datetime, resolution: int) -> Iterator[Window]:
    """Yield the windows of one target; stretches in their order, and for each its types.

    A stretch ends where samples may still arrive, and a pod's last one with the step in which the pod ended.
    """
    step = target.resolution or resolution
    end = on_grid(as_of - SETTLE_LAG, step)
    # A pod may end in the last second that there is, and no step ends after that.
    if target.until is not None and target.until < end:
        end = on_grid(target.until, step, up=True)
    start = on_grid(target.since, step)
    if start >= end:
        return
    groups = requests_of(types if target.metrics is None else target.metrics, MOST_TYPES)
    whole = Window(target, (), start, end, step).stretches(MOST_SAMPLES)
    for stretch in reversed(whole) if target.newest_first else whole:
        yield from (stretch.of_types(group) for group in groups)


def on_grid(instant: datetime, resolution: int, *, up: bool = False) -> datetime:
    """Return the last multiple of the resolution that is not after the instant, or with `up` the first not before."""
    seconds = math.ceil(instant.timestamp()) if up else math.floor(instant.timestamp())
    return datetime.fromtimestamp(seconds + (-seconds % resolution) if up else seconds - seconds % resolution, UTC)
