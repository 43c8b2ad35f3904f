"""The first scene: every pod of a fortnight, from nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.child import Measured, run
from bench.ours import publish
from bench.plane import Plane
from bench.rounds import Goal, Rounds, Scene

# Some of them are born only after the world's present; about 20,000 are there.
PODS: Final = 20_500
TITLES: Final = {
    "stock": "dlt `rest_api`, as documented",
    "tuned": "dlt `rest_api`, tuned",
    "floor": "bare download and parse, nothing kept",
    "bare": "bare dlt resource, nothing compared",
    "ours": "this project, published",
}


def play(rounds: int, pods: int = PODS) -> Scene:
    """Let all contestants load the same pods, `rounds` times in turn.

    Raises:
        RuntimeError: a contestant failed, or found fewer or more pods than the others.
    """
    table = Rounds(TITLES)
    with Plane("first-load", pods) as plane:
        _one("floor", plane)  # The server renders its pods once; nobody shall pay for that.
        plane.requests()
        found = table.play(rounds, lambda name: _one(name, plane), plane.requests)
    return Scene(f"First load: {found:,.0f} pods over loopback", table.lines(), list(_goals(table)))


def _one(name: str, plane: Plane) -> Measured:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        if name == "ours":
            return publish(plane.url, folder)
        return run(["-m", "bench.contestants", name, plane.url, scratch], folder)


def _goals(table: Rounds) -> Iterator[Goal]:
    times = table.median("tuned", "load") / table.median("ours", "load")
    yield Goal("read and load, times faster than tuned", f"{times:.1f}", "at least 5", times >= 5)
    bare = table.median("bare", "load") / table.median("ours", "load")
    yield Goal("the same, times faster than a bare dlt resource", f"{bare:.2f}", "at least 1", bare >= 1)
    whole, tuned = table.median("ours", "seconds"), table.median("tuned", "load")
    yield Goal("published, against what tuned takes to load", f"{whole:.1f} s", f"under {tuned:.1f} s", whole < tuned)
    peak = table.median("ours", "peak")
    yield Goal("peak memory", f"{peak:.0f} MB", "under 400 MB", peak < 400)
