"""`python -m tests.trust`: play the scenes at full size and print their figures; exit 1 if one is not as wanted."""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.rounds import Goal

SCENES: Final = ("soak", "kills", "faults", "payloads", "secrets", "readers", "planted")


def render(found: list[tuple[str, Goal]]) -> Table:
    """A line per goal, in the order in which the scenes were played."""
    table = Table("scene", "goal", "found", "wanted", "", title="Trust", title_justify="left")
    for scene, goal in found:
        table.add_row(scene, goal.what, goal.found, goal.wanted, "met" if goal.is_met else "MISSED")
    return table


def main() -> int:
    """Play the scenes that were asked for, all by default; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust", description=__doc__)
    parser.add_argument("--scene", choices=SCENES, action="append", help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1, help="another seed plays other births, deaths and moments")
    parser.add_argument("--days", type=float, default=14.0, help="how long a soak is, in simulated days")
    asked = parser.parse_args()
    found: list[tuple[str, Goal]] = []
    for scene in asked.scene or SCENES:
        began = time.monotonic()
        print(f"== {scene}, seed {asked.seed}", flush=True)
        options = {"days": asked.days} if scene == "soak" else {}
        found += [(scene, goal) for goal in import_module(f"tests.trust.{scene}").play(asked.seed, **options)]
        print(f"== {scene}: {time.monotonic() - began:.0f} s", flush=True)
    Console(width=None if sys.stdout.isatty() else 120).print(render(found))
    return 0 if found and all(goal.is_met for _, goal in found) else 1


if __name__ == "__main__":
    sys.exit(main())
