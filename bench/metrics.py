"""The third scene: every metric of 400 running pods, read, loaded and published."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bench.child import Measured, run
from bench.ours import publish
from bench.plane import Plane
from bench.rounds import Goal, Rounds, Scene

PODS: Final = 400
STRETCH: Final = timedelta(minutes=88)
SETTLE_LAG: Final = timedelta(seconds=120)
TITLES: Final = {
    "stock": "dlt `rest_api`, as documented (one round)",
    "tuned": "dlt `rest_api`, tuned",
    "bare": "bare dlt resource, nothing planned or noted",
    "floor": "bare download, parse and insert, no dlt",
    "ours": "this project, published",
}
ALL_METRICS: Final = ("--metrics", "all")
AT_ONCE: Final = ("--concurrency", "16")


def play(rounds: int) -> Scene:
    """Let all contestants load the same samples, `rounds` times in turn.

    Raises:
        RuntimeError: a contestant failed, or found fewer or more samples than the others.
    """
    # Minutes a turn, and no goal depends on it.
    table = Rounds(TITLES, counted="samples", once=["stock"])
    with Plane("metrics", PODS) as plane:
        since, until = settled(plane)
        one("floor", plane, since, until)  # The server renders its samples once; nobody shall pay for that.
        plane.requests()
        found = table.play(rounds, lambda name: one(name, plane, since, until, AT_ONCE), plane.requests)
    return Scene(f"Metrics: {found:,.0f} samples of {PODS} pods over loopback", table.lines(), list(_goals(table)))


def settled(plane: Plane) -> tuple[datetime, datetime]:
    """A stretch whose samples are all there, whichever way one asks."""
    until = datetime.fromisoformat(plane.now()).replace(second=0, microsecond=0) - 2 * SETTLE_LAG
    return until - STRETCH, until


def one(name: str, plane: Plane, since: datetime, until: datetime, options: Sequence[str] = ()) -> Measured:
    """Let one contestant load every metric of the stretch; the options are for `ours` alone."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        stretch = [instant.isoformat().replace("+00:00", "Z") for instant in (since, until)]
        if name == "ours":
            bounds = ["--since", since.isoformat(), "--until", (until + SETTLE_LAG).isoformat()]
            return publish(plane.url, folder, [*ALL_METRICS, *options, *bounds])
        return run(["-m", "bench.metric_contestants", name, plane.url, scratch, *stretch], folder)


def _goals(table: Rounds) -> Iterator[Goal]:
    ours, tuned = table.median("ours", "load"), table.median("tuned", "load")
    yield Goal("read and load, times faster than tuned", f"{tuned / ours:.1f}", "at least 10", tuned >= 10 * ours)
    floor = ours / table.median("floor", "load")
    yield Goal("the same, times as long as the floor", f"{floor:.2f}", "at most 1.5", floor <= 1.5)
    whole = table.median("tuned", "seconds") / table.median("ours", "seconds")
    yield Goal("whole run, published, times faster than tuned", f"{whole:.1f}", "at least 5", whole >= 5)
    peak = table.median("ours", "peak")
    yield Goal("peak memory", f"{peak:.0f} MB", "under 500 MB", peak < 500)
