"""A small tenant with everything in it that a run can ask for, copied through the front door.

Base is a first run. Since then a pod completed, one was born and one vanished, so that a second run asks every endpoint
that the program uses; the source's own by revision is asked for by a pipeline of somebody else's.
"""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.failures import explain
from pipelines.run import root_cause
from simulator import Clock, Simulator, World, WorldConfig
from sources.runai import revision_pods
from tests.trust.door import Door, Shown

START = datetime(2026, 1, 5, tzinfo=UTC)
ACCOUNT = ("collector", "c4n4ry-of/the+client secret&é")
REVISION = "5e0c2a52-8f7c-4e42-9f2c-3b8f6a0f9d11"


@dataclass
class Tenant:
    """The control plane, its address, and the way to it."""

    simulator: Simulator
    url: str
    door: Door

    def read_revision(self) -> Shown:
        """Load the pods of the revision in a pipeline of somebody else's, told as by the front door at debug level."""
        return self.door.shown(self._load_revision)

    def keep(self, as_of: Path) -> None:
        """Copy the data directory, for `restore`."""
        shutil.copytree(self.door.data_dir, as_of, symlinks=True)

    def restore(self, as_of: Path) -> None:
        """Put the data directory back as it was."""
        shutil.rmtree(self.door.data_dir, ignore_errors=True)
        shutil.copytree(as_of, self.door.data_dir, symlinks=True)

    def _load_revision(self) -> int:
        folder = self.door.data_dir / "theirs"
        pipeline = dlt.pipeline(
            "theirs",
            destination=dlt.destinations.duckdb(str(self.door.data_dir / "theirs.duckdb")),
            dataset_name="raw",
            pipelines_dir=str(folder),
        )
        try:
            pipeline.run(revision_pods([REVISION]), loader_file_format="parquet")
        except PipelineStepFailed as error:
            traceback.print_exception(error)
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
        made = Tenant(simulator, url, Door(data_dir, world.clock.now))
        base = made.door.run(metrics="none")
        if base.code != 0:
            raise RuntimeError(f"the base could not be copied: {base.err}")
        world.clock.advance(timedelta(hours=1))
        world.complete(running[0].id)
        world.purge(running[1].id)
        world.add(1, like=running[2].id, started_at=world.clock.now())
        yield made
