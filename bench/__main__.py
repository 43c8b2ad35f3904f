"""`python -m bench`: all scenes, their tables on the terminal and in `bench/RESULTS.md`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench import first_load, history, increment, latency, metrics, waste
from bench.rounds import Scene

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
SCENES: Final = {
    "first-load": first_load.play,
    "increment": increment.play,
    "metrics": metrics.play,
    "latency": latency.play,
    "history": history.play,
    "waste": waste.play,
}


def machine() -> str:
    """What the figures were taken on, without a date or a name."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    packages = ", ".join(f"{name} {version(name)}" for name in ("dlt", "duckdb", "pyarrow", "httpx"))
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, Python {platform.python_version()}, {packages}"


def render(scenes: list[Scene], rounds: int) -> str:
    """The results as Markdown."""
    turns = f"Medians (and ranges) of {rounds} interleaved round{'s' * (rounds > 1)}"
    words = f"{machine()}. {turns}; every turn a fresh process with fresh folders. MB are 10^6 bytes."
    lines = ["# Results", "", "Written by `make bench`.", "", words]
    for scene in scenes:
        lines += ["", f"## {scene.title}", "", *scene.lines, "", "| goal | found | wanted | |", "|---|---:|---:|---|"]
        lines += [f"| {g.what} | {g.found} | {g.wanted} | {'met' if g.is_met else 'MISSED'} |" for g in scene.goals]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Play the scenes; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scene", choices=SCENES, action="append", help="only this one; results are then only printed")
    asked = parser.parse_args()
    scenes = [SCENES[name](asked.rounds) for name in asked.scene or SCENES]
    text = render(scenes, asked.rounds)
    print(text)
    if not asked.scene:
        RESULTS.write_text(text)
    return 0 if all(goal.is_met for scene in scenes for goal in scene.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
