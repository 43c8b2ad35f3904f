"""A simulated control plane, a data directory, and runs between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

from pipelines.run import RunResult, run
from pipelines.settings import Settings
from simulator import Clock, Simulator, Switches, TruthPod, World, WorldConfig
from sources.runai.client import RunaiClient
from sources.runai.credentials import AppToken, ClientCredentials
from tests.behaviour.truth import offered

START = datetime(2026, 1, 5, tzinfo=UTC)

# What moves although nothing happened: when it was looked at.
OBSERVED = ("first_observed_at", "last_observed_at")
PUBLISHED = (
    "pods",
    "pod_containers",
    "pod_resources",
    "pod_tolerations",
    "pod_node_pools",
    "pod_history",
    "pod_lifecycle",
    "cluster_pods",
)


@dataclass
class Scene:
    """One world with its server and one data directory."""

    simulator: Simulator
    url: str
    data_dir: Path
    destination: str
    # What the client is told of the server; the server's own version by default.
    api_version: str | None = None
    concurrency: int = 4
    # What was purged since then must have been read before; by default only what is still shown must be there.
    watched_since: datetime | None = None

    @property
    def world(self) -> World:
        """The world that the simulator serves."""
        return self.simulator.world

    @property
    def clock(self) -> Clock:
        """The world's clock, by which runs go too."""
        return self.simulator.world.clock

    def settings(self, data_dir: Path | None = None, **overrides: Any) -> Settings:
        """Settings of a run that reads no metrics and says nothing."""
        chosen = {"destination": self.destination, "metrics": "none", "progress": "none"} | overrides
        return Settings(data_dir=data_dir or self.data_dir, **chosen)

    def run(
        self, data_dir: Path | None = None, *, clock_ahead: timedelta = timedelta(0), **overrides: Any
    ) -> RunResult:
        """Run once, by the world's clock, or on a machine whose clock is ahead of it."""
        # 2.18 and 2.19 know no client credentials.
        way = AppToken if self.simulator.contract.version < "2.20" else ClientCredentials
        credentials = way("demo", "canary-secret")
        version = self.api_version or self.simulator.contract.version
        with RunaiClient(
            self.url,
            credentials,
            clock=lambda: self.clock.now() + clock_ahead,
            backoff=0.01,
            concurrency=self.concurrency,
            api_version=version,
        ) as client:
            return run(self.settings(data_dir, **overrides), client)

    def shown(self) -> dict[str, TruthPod]:
        """Pods that the control plane shows, or showed at any time since it is watched, by id."""
        now = self.clock.now()
        return offered(self.world, now, self.watched_since or now)

    def advance(self, **stretch: float) -> None:
        """Let the world move on."""
        self.clock.advance(timedelta(**stretch))

    def rows(self, table: str, data_dir: Path | None = None, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Rows of a published table, in one order, some columns left out."""
        with duckdb.connect(str((data_dir or self.data_dir) / "published" / "runai.duckdb"), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            relation = con.table(table)
            kept = [name for name in relation.columns if name not in without]
            found = relation.project(", ".join(kept)).order(", ".join(kept)).fetchall()
        return [dict(zip(kept, row, strict=True)) for row in found]

    def published(self, data_dir: Path | None = None, *, without: tuple[str, ...] = OBSERVED) -> dict[str, Any]:
        """All published tables that must not depend on how often and when one looked."""
        return {table: self.rows(table, data_dir, without=without) for table in PUBLISHED}

    def pods(self) -> dict[str, dict[str, Any]]:
        """Published pods by id."""
        return {row["pod_id"]: row for row in self.rows("pods")}


@contextmanager
def scene(
    data_dir: Path,
    destination: str = "duckdb",
    *,
    config: WorldConfig | None = None,
    switches: Switches | None = None,
    version: str = "2.21",
    after: timedelta = timedelta(days=10),
) -> Iterator[Scene]:
    """Serve a world as it is some days after its beginning."""
    config = config or WorldConfig(pods=300, start=START)
    world = World(config, Clock(config.start + after))
    simulator = Simulator(world, switches=switches or Switches(), version=version, client_secret="canary-secret")
    with simulator.serve() as url:
        settings = {
            "SOURCES__RUNAI__BASE_URL": url,
            "SOURCES__RUNAI__CLIENT_ID": "demo",
            "SOURCES__RUNAI__CLIENT_SECRET": "canary-secret",
            "SOURCES__RUNAI__API_VERSION": version,
        }
        # A scene of a whole module ends after the environment of its last test.
        with mock.patch.dict(os.environ, settings):
            yield Scene(simulator, url, data_dir, destination)
