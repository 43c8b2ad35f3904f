"""How long pods waited and held GPUs, from the simulator's truth, in microseconds as the control plane shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from simulator.instants import NEVER, SECOND, micros
from simulator.world.pods import Pod
from tests.behaviour.scene import Scene


@dataclass(frozen=True)
class Life:
    """A pod up to the present: instants in microseconds, None for what has not happened."""

    pod: Pod
    created: int
    started: int | None
    ended: int | None
    now: int

    @property
    def until(self) -> int:
        """Its end, or the present."""
        return self.now if self.ended is None else self.ended

    @property
    def gpus(self) -> Fraction:
        """How many GPUs it holds while it runs."""
        return Fraction(str(self.pod.allocated_gpu()))

    @property
    def end_reason(self) -> str | None:
        """Why it is over."""
        if self.ended is None:
            return None
        return self.pod.end_phase.lower() if self.pod.completed <= self.pod.deleted else "deleted"

    def wait_seconds(self) -> float:
        """From creation to start, or so far."""
        return ((self.until if self.started is None else self.started) - self.created) / SECOND

    def run_seconds(self) -> float | None:
        """From start to end, or so far."""
        return None if self.started is None else (self.until - self.started) / SECOND

    def gpu_seconds(self) -> float | None:
        """GPUs times its run."""
        return None if self.started is None else float(self.gpus * (self.until - self.started) / SECOND)


def lives(here: Scene) -> Iterator[Life]:
    """Every pod of `Scene.shown`, by instants as exact as the control plane shows them."""
    now = micros(here.clock.now())
    starts = {pod_id: row["started_at"] for pod_id, row in here.pods().items()}
    # In microseconds.
    tick = 10 ** (6 - here.simulator.switches.fraction_digits)
    for pod_id, truth in here.shown().items():
        pod = truth.pod
        # Once a container was started again, the API gives its last start: only who saw the first one knows it.
        started = _given(starts[pod_id]) if pod.restarted <= now else _shown(pod.started, now, tick)
        yield Life(pod, pod.created // tick * tick, started, _shown(pod.stopped, now, tick), now)


def lifecycle_differences(here: Scene) -> list[str]:
    """Say where `pod_lifecycle` is not what it must be; an empty list is a perfect copy."""
    published = {row["pod_id"]: row for row in here.rows("pod_lifecycle")}
    return [
        f"{life.pod.id}.{column}: {published[life.pod.id][column]!r}, not {value!r}"
        for life in lives(here)
        for column, value in {
            "wait_seconds": life.wait_seconds(),
            "run_seconds": life.run_seconds(),
            "allocated_gpu_seconds": life.gpu_seconds(),
            "end_reason": life.end_reason,
        }.items()
        if published[life.pod.id][column] != value
    ]


def _shown(instant: int, now: int, tick: int) -> int | None:
    return instant // tick * tick if instant <= now < NEVER else None


def _given(instant: datetime | None) -> int | None:
    return None if instant is None else micros(instant)
