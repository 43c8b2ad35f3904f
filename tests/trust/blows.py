"""Which blow strikes which run: points, kinds of blow and kinds of run, drawn so that none goes with another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Final, Literal

from tests.behaviour.killed import EVERYWHERE, POINTS, PRUNING
from tests.trust.victim import KINDS, Blow

PHASES: Final = (
    *("draining", "learning", "extracting", "normalizing", "loading"),
    *("refreshing", "auditing", "publishing", "reporting"),
    *("pruning raw", "proving"),
)
"""Points of which the call is a phase: moments are drawn within it too."""

RESUMING: Final = ("draining", "learning", "copied", "committing", "committed", "taking in")
"""Points at which a run that finds the leavings of a killed one is other than any: these alone strike it."""
REBUILDING: Final = (
    *("draining", "learning", "series written", "merging", "taking in", "refreshing", "marts written", "refreshed"),
    *("publishing", "showing", "pointing", "noting", "published"),
)
"""Points at which a `rebuild`, which has thrown the build database away, builds and publishes: these strike it."""

NEWER: Final = "2.24"
"""A control plane that has histograms, and `cluster_pods` no more."""
HISTOGRAMS: Final = ("NIM_TIME_TO_FIRST_TOKEN_SECONDS", "NIM_E2E_REQUEST_LATENCY_SECONDS_PERCENTILES")

Calls = Mapping[str, list[float]]
"""By point, how long each call of it took in seconds, in a run that nothing struck."""


@dataclass(frozen=True)
class Stage:
    """What kind of run is struck, or that a `prune` or a `rebuild` is: destination, metrics, and what was before it."""

    destination: str
    # With `histograms`, which are the basic ones too, the control plane is upgraded before what is struck.
    metrics: Literal["basic", "histograms", "none"]
    is_first: bool
    # The point at which the run before it was killed, if that was: what it left is to be finished, or pruned.
    killed_at: str | None = None
    command: Literal["run", "prune", "rebuild"] = "run"

    @property
    def kind(self) -> str:
        """First, incremental, or the one that goes on after a kill; or the command that is no run."""
        if self.command != "run":
            return self.command
        if self.killed_at:
            return f"run after a kill at {self.killed_at}"
        return "first run" if self.is_first else "incremental run"

    def __str__(self) -> str:
        return f"{self.destination}, metrics {self.metrics}, {self.kind}"

    @property
    def points(self) -> Collection[str]:
        """Where it is struck, if it comes there."""
        if self.command == "prune":
            return PRUNING
        if self.command == "rebuild":
            return REBUILDING
        return RESUMING if self.killed_at else POINTS


_DESTINATIONS: Final = ("duckdb", "filesystem")
STAGES: Final = [
    *(Stage(name, "none", is_first) for name, is_first in product(_DESTINATIONS, (False, True))),
    *(Stage(name, "basic", is_first=True) for name in _DESTINATIONS),
    Stage("duckdb", "basic", is_first=False),
    Stage("filesystem", "histograms", is_first=False),
    *(Stage(name, "basic", is_first=False, killed_at="committing") for name in _DESTINATIONS),
    *(Stage(name, "basic", is_first=False, killed_at="copied", command="prune") for name in _DESTINATIONS),
    *(Stage(name, "histograms", is_first=False, command="rebuild") for name in _DESTINATIONS),
]


def dealt(calls: Mapping[Stage, Calls], seed: int) -> dict[Stage, list[Blow]]:
    """Blows for each stage: at every point that it reaches, and at a random moment within every phase.

    At each, every kind strikes a first run and an incremental one, and where it matters one that goes on after a kill;
    at those of `prune` and of `rebuild`, one of these.
    Which stage of these it strikes turns with the point and the seed, so that seeds in a row bring every kind to every
    point of every stage.
    """
    random = Random(seed)
    drawn: dict[Stage, list[Blow]] = {stage: [] for stage in calls}
    places = [*product([False], EVERYWHERE), *product([True], PHASES)]
    kinds = dict.fromkeys(stage.kind for stage in calls)
    for kind, (turn, (is_within, point)) in product(kinds, enumerate(places, start=seed)):
        reaching = [
            stage for stage in calls if stage.kind == kind and point in stage.points and calls[stage].get(point)
        ]
        # Stages that are fewer than the kinds are dealt more than one.
        for card in range(max(len(KINDS), len(reaching)) if reaching else 0):
            stage = reaching[card % len(reaching)]
            nth = random.randint(1, len(calls[stage][point]))
            moment = random.random() * calls[stage][point][nth - 1] if is_within else 0.0
            drawn[stage].append(Blow(KINDS[(card + turn) % len(KINDS)], point, nth, moment))
    return drawn
