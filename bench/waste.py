"""The fourth scene: how well `pod_efficiency` finds the waste that was planted, against the simulator's truth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bench.ours import publish
from bench.plane import Plane
from bench.rounds import Goal, Scene
from bench.server import first_load

PODS: Final = 2_000
STRETCH: Final = timedelta(days=2)
METRICS: Final = "GPU_UTILIZATION,GPU_MEMORY_USAGE_BYTES,CPU_USAGE_CORES,CPU_MEMORY_USAGE_BYTES"
UNJUDGED: Final = frozenset({"unknown", "too_short", "waiting"})
"""Classes that say nothing of waste: these pods are neither found nor missed."""
WELL: Final = "healthy"


@dataclass(frozen=True)
class Score:
    """How many pods were found, how many of them rightly, and how many were planted, among those judged."""

    found: int
    right: int
    planted: int

    @property
    def precision(self) -> float:
        """Share of the found ones that were planted; 1 where none was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the planted ones that were found; 1 where none was planted."""
        return self.right / self.planted if self.planted else 1.0


def play(rounds: int) -> Scene:  # noqa: ARG001 - what is found does not vary
    """Publish two days of a research cluster once, and score what is found in it."""
    with Plane("first-load", PODS) as plane, tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        now = datetime.fromisoformat(plane.now())
        since = (now - STRETCH).isoformat()
        publish(plane.url, Path(scratch), ["--metrics", METRICS, "--since", since, "--resolution", "300"])
        classes = _classes(Path(scratch) / "data")
    found = scores(classes, {pod.id: pod.waste for pod in first_load(PODS, now).truth()})
    judged = sum(said not in UNJUDGED for said in classes.values())
    words = f"{judged:,} of {len(classes):,} pods ran long enough, with samples, to be judged."
    return Scene(
        f"Waste: who is rightly called wasteful, of {PODS:,} pods", [words, "", *lines(found)], list(_goals(found))
    )


def _classes(data: Path) -> dict[str, str]:
    import duckdb

    with duckdb.connect(str(data / "published" / "runai.duckdb"), read_only=True) as con:
        return dict(con.sql("select pod_id, waste_class from pod_efficiency").fetchall())


def _goals(found: Mapping[str, Score]) -> Iterator[Goal]:
    whole = found["any"]
    yield Goal(
        "precision: called wasteful, and planted", f"{whole.precision:.2f}", "at least 0.98", whole.precision >= 0.98
    )
    yield Goal("recall: planted, and called wasteful", f"{whole.recall:.2f}", "at least 0.70", whole.recall >= 0.7)


def scores(classes: Mapping[str, str], planted: Mapping[str, str | None]) -> dict[str, Score]:
    """Score each class, and `any` for whether a pod was rightly called wasteful at all.

    Args:
        classes: `waste_class` by pod.
        planted: what was planted, by pod; None for a pod that is well.
    """
    judged = {pod: said for pod, said in classes.items() if said not in UNJUDGED and pod in planted}
    names = sorted({name for name in (*judged.values(), *(planted[pod] for pod in judged)) if name and name != WELL})
    by_class = {
        name: Score(
            sum(said == name for said in judged.values()),
            sum(said == name == planted[pod] for pod, said in judged.items()),
            sum(planted[pod] == name for pod in judged),
        )
        for name in names
    }
    called = {pod for pod, said in judged.items() if said != WELL}
    wasteful = {pod for pod in judged if planted[pod]}
    return by_class | {"any": Score(len(called), len(called & wasteful), len(wasteful))}


def lines(found: Mapping[str, Score]) -> list[str]:
    """The scores as a Markdown table."""
    rows = [
        f"| `{name}` | {score.planted} | {score.found} | {score.right} | {score.precision:.2f} | {score.recall:.2f} |"
        for name, score in found.items()
    ]
    return [
        "| class | planted | found | rightly | precision | recall |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *rows,
    ]
