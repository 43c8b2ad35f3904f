"""The fifth scene: one hourly run after a month of samples, and the same on the first day.

A month of hourly runs takes days to play. So the pods are read through the API, and the rest of that past is written
into the warehouse as 720 runs would have left it, a committed load for each; then everything is built from it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bench.child import Measured, run
from bench.metrics import SETTLE_LAG
from bench.ours import publish
from bench.plane import Plane
from bench.rounds import Goal, Rounds, Scene

PODS: Final = 50
HOUR: Final = timedelta(hours=1)
PAST: Final = {"long": timedelta(days=30), "short": 6 * HOUR}
WORLDS: Final = {"long": "thirtieth-day", "short": "first-day"}
METRICS: Final = ("--metrics", "basic")


def play(rounds: int) -> Scene:
    """Write both pasts, then run the next hour after each of them `rounds` times in turn.

    Raises:
        RuntimeError: a run failed, or the next hour is not the same after both.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        planes = {name: stack.enter_context(Plane(world, PODS)) for name, world in WORLDS.items()}
        until = datetime.fromisoformat(planes["short"].now()).replace(second=0, microsecond=0) - SETTLE_LAG
        samples = {name: _live(plane, scratch / name, until - HOUR, PAST[name]) for name, plane in planes.items()}
        table = Rounds({name: f"after {count:,.0f} samples of {_words(PAST[name])}" for name, count in samples.items()})
        new = {name: _hour(planes[name], scratch / name, until).said["samples"] - samples[name] for name in planes}
        if len(set(new.values())) != 1:
            raise RuntimeError(f"the next hour differs: {new}")
        for name in table.turns(rounds):
            planes[name].requests()
            measured = _hour(planes[name], scratch / name, until)
            table.add(name, measured, planes[name].requests())
            print(
                f"{name:<6} {measured.seconds:6.1f} s {measured.cpu_seconds:6.1f} s CPU {measured.peak_mb:6.0f} MB",
                flush=True,
            )
        start_up = run(["-c", "import pipelines.run"], scratch).cpu_seconds
    title = f"Hourly run: {new['long']:,.0f} new samples of {PODS} running pods, after a month and on the first day"
    return Scene(title, table.lines(), list(_goals(table, start_up)))


def _live(plane: Plane, folder: Path, until: datetime, past: timedelta) -> float:
    """Fill `folder/known` with a past up to an instant, published; return how many samples it has."""
    folder.mkdir()
    publish(plane.url, folder)
    data = folder / "data"
    run(["-m", "bench.past", str(data), (until - past).isoformat(), until.isoformat()], folder)
    run(["pipelines/pods_pipeline.py", "rebuild", "--progress", "none", "--data-dir", str(data)], folder)
    samples = run(["-m", "bench.ours", str(data)], folder).said["samples"]
    data.rename(folder / "known")
    return float(samples)


def _hour(plane: Plane, folder: Path, until: datetime) -> Measured:
    """The run of the hour after a past."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    shutil.copytree(folder / "known", folder / "data", symlinks=True)
    # The copy's own way to the disk is no part of the run.
    os.sync()
    return publish(plane.url, folder, [*METRICS, "--until", (until + SETTLE_LAG).isoformat()])


def _words(past: timedelta) -> str:
    return f"{past.days} days" if past.days else f"{past // HOUR} hours"


def _goals(table: Rounds, start_up: float) -> Iterator[Goal]:
    for column, words, less in (
        ("seconds", "time after a month, times that on the first day", 0.0),
        ("cpu", "the same of its CPU", 0.0),
        ("cpu", f"the same without {start_up:.1f} s of start-up", start_up),
    ):
        times = (table.median("long", column) - less) / (table.median("short", column) - less)
        yield Goal(words, f"{times:.2f}", "at most 1.2", times <= 1.2)
    requests = {name: table.median(name, "requests") for name in PAST}
    more = requests["long"] - requests["short"]
    yield Goal("requests after a month, beyond those on the first day", f"{more:.0f}", "at most 4", more <= 4)
    peak = table.median("long", "peak")
    yield Goal("peak memory", f"{peak:.0f} MB", "under 400 MB", peak < 400)
