"""`run --demo`: the bundled control plane, served over real HTTP with sign-in, in a world that moves on.

Its clock shows three days before the first demo, and six hours more at each run, until it reaches the present. It is a
pure function of its seed and that clock, so only the clock is kept between runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from pipelines.settings import Settings, UsageError, prepare, text_of
from pipelines.state import write_json
from sources.runai.client import RunaiClient
from sources.runai.credentials import ClientCredentials

BEGINS_BEFORE: Final = timedelta(days=3)
STEP: Final = timedelta(hours=6)
SEED: Final = 11
PODS: Final = 1500
PAST: Final = timedelta(days=14)
"""How long the world has lived when the first demo looks at it: as long as the API remembers deleted pods."""


@dataclass(frozen=True)
class DemoClock:
    """When the first demo looked (`began`), and what the world's clock shows now (`at`)."""

    began: datetime
    at: datetime

    @classmethod
    def begin(cls, now: datetime) -> Self:
        """The first look, on a full hour."""
        began = (now - BEGINS_BEFORE).replace(minute=0, second=0, microsecond=0)
        return cls(began, began)

    def moved_on(self, now: datetime) -> DemoClock:
        """Six hours later, but never later than the present."""
        return DemoClock(self.began, min(self.at + STEP, max(now, self.at)))


@contextmanager
def demo_plane(settings: Settings) -> Iterator[RunaiClient]:
    """A client of the demo's world, whose clock it goes by; the world moves on only if the block succeeds."""
    path = settings.state_dir / "demo.json"
    now = datetime.now(UTC)
    last = _read(path)
    clock = DemoClock.begin(now) if last is None else last.moved_on(now)
    if last is None and not settings.dry_run:
        # Whatever comes of this run, the next one must not begin another world.
        prepare(settings)
        _write(path, DemoClock(clock.began, clock.began - STEP))
    with _served(clock, concurrency=settings.concurrency or 8) as client:
        yield client
    if not settings.dry_run:
        _write(path, clock)


@contextmanager
def _served(clock: DemoClock, *, concurrency: int) -> Iterator[RunaiClient]:
    try:
        from simulator import Clock, Simulator, World, WorldConfig
    except ModuleNotFoundError as error:
        raise UsageError(f"the demo needs {error.name}, which is not installed: call make setup first.") from error
    config = WorldConfig(seed=SEED, pods=PODS, start=clock.began - PAST, days=PAST.days)
    world = World(config, Clock(at=clock.at))
    simulator = Simulator(world, client_id="demo", client_secret="demo-secret")  # noqa: S106 - guards nothing
    credentials = ClientCredentials("demo", "demo-secret")
    with (
        simulator.serve() as url,
        RunaiClient(url, credentials, concurrency=concurrency, clock=lambda: clock.at) as client,
    ):
        yield client


def _read(path: Path) -> DemoClock | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return DemoClock(datetime.fromisoformat(kept["began"]), datetime.fromisoformat(kept["at"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        # Another beginning would be another world, and its pods would be added to those of the first.
        raise UsageError(f"{path} is damaged: remove {path.parents[1]} to begin the demo anew.") from error


def _write(path: Path, clock: DemoClock) -> None:
    write_json(path, {"began": text_of(clock.began), "at": text_of(clock.at)})
