"""`python -m tests.trust`: play the scenes at full size and print their figures; exit 1 if one is not as wanted."""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from rich.console import Console
from rich.table import Column, Table

from bench.rounds import Goal
from tests.trust.planted import planted_for

SCENES: Final = ("soak", "kills", "faults", "payloads", "secrets", "readers", "planted")


def render(found: list[tuple[str, Goal]]) -> Table:
    """A line per goal, in the order in which the scenes were played."""
    table = Table("scene", "goal", "found", "wanted", "", title="Trust", title_justify="left")
    for scene, goal in found:
        table.add_row(scene, goal.what, goal.found, goal.wanted, "met" if goal.is_met else "MISSED")
    return table


def render_planted(scenes: Sequence[str]) -> Table:
    """A line per planted defect, by the scene whose tests must catch it."""
    title = "Planted for the tests of each scene; the scene `planted` says whether all are caught"
    table = Table("scene", "planted defect", Column("test", overflow="fold"), title=title, title_justify="left")
    for scene in scenes:
        for defect in planted_for(scene):
            table.add_row(scene, defect.name, defect.test.partition("::")[2])
    return table


def main() -> int:
    """Play the scenes that were asked for, all by default; 1 if a goal was missed or a scene raised."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust", description=__doc__)
    parser.add_argument("--scene", choices=SCENES, action="append", help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1, help="another seed plays other births, deaths and moments")
    parser.add_argument("--days", type=float, default=14.0, help="how long a soak is, in simulated days")
    asked = parser.parse_args()
    found: list[tuple[str, Goal]] = []
    scenes = asked.scene or SCENES
    for scene in scenes:
        began = time.monotonic()
        print(f"== {scene}, seed {asked.seed}", flush=True)
        options = {"days": asked.days} if scene == "soak" else {}
        goals = _play(scene, asked.seed, options)
        # At once, for whoever stops it before its hour is over.
        for goal in goals:
            said = "met   " if goal.is_met else "MISSED"
            print(f"   {said} {goal.what}: {goal.found}; wanted {goal.wanted}", flush=True)
        found += [(scene, goal) for goal in goals]
        print(f"== {scene}: {time.monotonic() - began:.0f} s", flush=True)
    # Errors and the names of tests hold brackets, which are no markup.
    console = Console(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)
    console.print(render_planted(scenes), render(found), sep="\n\n")
    return 0 if found and all(goal.is_met for _, goal in found) else 1


def _play(scene: str, seed: int, options: dict[str, Any]) -> list[Goal]:
    # As after Ctrl-C, a scene takes its disks and processes with it.
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        goals: list[Goal] = import_module(f"tests.trust.{scene}").play(seed, **options)
    except Exception as error:  # noqa: BLE001 - told, and a goal that was missed: the other scenes have figures too
        traceback.print_exc()
        return [Goal("played to its end", f"{type(error).__name__}: {error}", "no error", is_met=False)]
    finally:
        signal.signal(signal.SIGTERM, before)
    return goals


if __name__ == "__main__":
    sys.exit(main())
