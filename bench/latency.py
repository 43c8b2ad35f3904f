"""The fourth scene: the same metrics of fewer pods from a control plane that takes its time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.metrics import one, settled
from bench.plane import Plane
from bench.rounds import Goal, Rounds, Scene

PODS: Final = 100
SECONDS: Final = 0.1
"""How long `bench.server` waits before each answer of this scene."""
DEFAULT, MANY = 8, 32
TITLES: Final = {
    "tuned": "dlt `rest_api`, tuned",
    "bare": "bare dlt resource, 16 at a time",
    "ours": f"this project, published, {DEFAULT} at a time as by default",
    "many": f"this project, published, {MANY} at a time",
}
OPTIONS: Final = {"many": ("--concurrency", str(MANY))}


def play(rounds: int) -> Scene:
    """Let all contestants load the same samples, `rounds` times in turn.

    Raises:
        RuntimeError: a contestant failed, or found fewer or more samples than the others.
    """
    table = Rounds(TITLES, counted="samples")
    with Plane("latency", PODS) as plane:
        since, until = settled(plane)
        one("floor", plane, since, until)  # The server renders its samples once; nobody shall pay for that.
        plane.requests()
        found = table.play(
            rounds,
            lambda name: one("ours" if name in OPTIONS else name, plane, since, until, OPTIONS.get(name, ())),
            plane.requests,
        )
    title = f"Latency: {found:,.0f} samples of {PODS} pods, {1000 * SECONDS:.0f} ms before each answer"
    return Scene(title, table.lines(), list(_goals(table)))


def _goals(table: Rounds) -> Iterator[Goal]:
    tuned = table.median("tuned", "load")
    for name, wanted in (("ours", 2), ("many", 3)):
        times = tuned / table.median(name, "load")
        what = f"read and load, times faster than tuned: {TITLES[name].rpartition(', ')[2]}"
        yield Goal(what, f"{times:.1f}", f"at least {wanted}", times >= wanted)
    for name, at_once in (("ours", DEFAULT), ("many", MANY)):
        ideal = table.median(name, "requests") * SECONDS / at_once
        beyond = table.median(name, "load") - ideal
        what = f"the same, beyond the {ideal:.1f} s that {at_once} requests at a time have to take"
        yield Goal(what, f"{beyond:.1f} s", "at most 3 s", beyond <= 3)
