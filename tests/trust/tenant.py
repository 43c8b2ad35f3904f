"""A small tenant with everything in it that a run can ask for, copied through the front door.

Base is a first run. Since then a pod completed, one was born and one vanished, so that a second run asks every endpoint
that the program uses; the source's own by revision is asked for by a pipeline of somebody else's.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.cli import execute
from pipelines.failures import explain
from pipelines.run import root_cause
from simulator import Clock, Simulator, World, WorldConfig
from sources.runai import revision_pods
from sources.runai.client import RunaiClient

START = datetime(2026, 1, 5, tzinfo=UTC)
ACCOUNT = ("collector", "canary-of-the-client-secret")
REVISION = "5e0c2a52-8f7c-4e42-9f2c-3b8f6a0f9d11"
METRIC = "CPU_USAGE_CORES"


@dataclass(frozen=True)
class Shown:
    """What a command left on the screen, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of stderr, or "" where there is none."""
        return self.err.splitlines()[-1] if self.err else ""


@dataclass
class Tenant:
    """The control plane, its address and the data directory.

    `waits` are the seconds that clients would have slept; `timeout` is how long they wait for an answer.
    """

    simulator: Simulator
    url: str
    data_dir: Path
    timeout: float = 60.0
    waits: list[float] = field(default_factory=list)

    def run(self, *options: str, metrics: str = METRIC) -> Shown:
        """Run once through the front door, by the world's clock, waiting for nothing."""
        usual = ["--metrics", metrics, "--concurrency", "1", "--progress", "none", "--data-dir", str(self.data_dir)]
        return self.shown(lambda: execute([*usual, *options]))

    def read_revision(self) -> Shown:
        """Load the pods of the revision in a pipeline of somebody else's, told as the front door would."""
        return self.shown(self._load_revision)

    def shown(self, command: Callable[[], int]) -> Shown:
        """Whatever a command says."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), mock.patch("sources.runai.connection.RunaiClient", self._client):
            code = command()
        return Shown(code, out.getvalue(), err.getvalue())

    def keep(self, as_of: Path) -> None:
        """Copy the data directory, for `restore`."""
        shutil.copytree(self.data_dir, as_of, symlinks=True)

    def restore(self, as_of: Path) -> None:
        """Put the data directory back as it was."""
        shutil.rmtree(self.data_dir, ignore_errors=True)
        shutil.copytree(as_of, self.data_dir, symlinks=True)

    def _client(self, *args: Any, **options: Any) -> RunaiClient:
        fixed = {"clock": self.simulator.world.clock.now, "sleep": self.waits.append, "timeout": self.timeout}
        return RunaiClient(*args, **(options | fixed))

    def _load_revision(self) -> int:
        pipeline = dlt.pipeline(
            "theirs",
            destination=dlt.destinations.duckdb(str(self.data_dir / "theirs.duckdb")),
            dataset_name="raw",
            pipelines_dir=str(self.data_dir / "theirs"),
        )
        try:
            pipeline.run(revision_pods([REVISION]), loader_file_format="parquet")
        except PipelineStepFailed as error:
            failure = explain(root_cause(error))
            print(f"error: {failure.sentence}", file=sys.stderr)
            return failure.code
        return 0


@contextmanager
def tenant(data_dir: Path, **environment: str) -> Iterator[Tenant]:
    """Serve the tenant an hour after its base was copied into the data directory; the environment names it."""
    world = World(WorldConfig(pods=0, start=START), Clock(START + timedelta(hours=6)))
    early = START + timedelta(hours=1)
    running = world.add(3, created_at=early, started_at=early)
    (serving,) = world.add(1, created_at=early, started_at=early)
    serving.pod.revision_id = REVISION
    simulator = Simulator(world, client_id=ACCOUNT[0], client_secret=ACCOUNT[1])
    with simulator.serve() as url, mock.patch.dict(os.environ):
        os.environ |= {
            "SOURCES__RUNAI__BASE_URL": url,
            "SOURCES__RUNAI__CLIENT_ID": ACCOUNT[0],
            "SOURCES__RUNAI__CLIENT_SECRET": ACCOUNT[1],
            "SOURCES__RUNAI__CLUSTER_PODS": "true",
            "SOURCES__RUNAI__MAX_ATTEMPTS": "2",
        } | environment
        made = Tenant(simulator, url, data_dir)
        base = made.run(metrics="none")
        if base.code != 0:
            raise RuntimeError(f"the base could not be copied: {base.err}")
        world.clock.advance(timedelta(hours=1))
        world.complete(running[0].id)
        world.purge(running[1].id)
        world.add(1, like=running[2].id, started_at=world.clock.now())
        yield made
