"""The second scene: one incremental run over a long history and the same over a short one."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.child import run
from bench.contestants import MAX_PAGE
from bench.ours import publish
from bench.plane import Plane
from bench.rounds import Goal, Rounds, Scene

LONG, SHORT = 100_000, 10_000
SIZES: Final = {"long": LONG, "short": SHORT}
TITLES: Final = {name: f"{pods:,} known pods" for name, pods in SIZES.items()}


def play(rounds: int) -> Scene:
    """Load both histories, let both worlds move on alike, then run each from the same state `rounds` times in turn."""
    table = Rounds(TITLES)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        planes = {name: stack.enter_context(Plane("history", pods)) for name, pods in SIZES.items()}
        for name, plane in planes.items():
            _know(plane, scratch / name, SIZES[name])
        pages = 0
        for name in table.turns(rounds):
            _restore(scratch / name)
            planes[name].requests()
            measured = publish(planes[name].url, scratch / name)
            table.add(name, measured, planes[name].requests())
            pages = math.ceil(measured.said["open"] / MAX_PAGE)
            print(
                f"{name:<6} {measured.seconds:6.1f} s {measured.cpu_seconds:6.1f} s CPU {measured.peak_mb:6.0f} MB",
                flush=True,
            )
        start_up = run(["-c", "import pipelines.run"], scratch).seconds
    title = "Incremental run: 2,000 open pods, 1,000 changes, over a long history and a short one"
    return Scene(title, table.lines(), list(_goals(table, pages, start_up)))


def _know(plane: Plane, folder: Path, pods: int) -> None:
    folder.mkdir()
    found = publish(plane.url, folder).said["pods"]
    if found != pods:
        raise RuntimeError(f"{pods:,} pods were there, {found:,.0f} were loaded")
    (folder / "data").rename(folder / "known")
    plane.change()


def _restore(folder: Path) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)
    shutil.copytree(folder / "known", folder / "data", symlinks=True)
    # The copy's own way to the disk is no part of the run.
    os.sync()


def _goals(table: Rounds, pages: int, start_up: float) -> Iterator[Goal]:
    beyond = table.median("long", "requests") - pages
    yield Goal(f"requests beyond the {pages} pages of the open set", f"{beyond:.0f}", "at most 30", beyond <= 30)
    long, short = (table.median(name, "seconds") for name in ("long", "short"))
    yield Goal(
        "time over the long history, times that over the short one",
        f"{long / short:.2f}",
        "under 1.3",
        long < 1.3 * short,
    )
    bare = (long - start_up) / (short - start_up)
    yield Goal(f"the same without {start_up:.1f} s of start-up", f"{bare:.2f}", "under 1.3", bare < 1.3)
