"""One run that dies at a given moment, as `kill -9` would have it: nothing is flushed, closed or told.

python -m tests.behaviour.killed URL DATA_DIR DESTINATION METRICS AT POINT NTH

A point may name a table, as in `copied pod_metrics`; then only its files count.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipelines import run as protocol
from pipelines.settings import Settings
from sources.runai.client import RunaiClient
from sources.runai.credentials import ClientCredentials

KILLED = 137

_DUCKDB = "dlt.destinations.impl.duckdb.duck:"
_FILES = "dlt.destinations.impl.filesystem.filesystem:"

# By point: what is called then, for each destination, and whether the end comes before or after the call.
POINTS: dict[str, tuple[dict[str, str], str]] = {
    "reading": ({"": "sources.runai.reading.observations:Observations.take"}, "after"),
    "normalizing": ({"": "dlt.pipeline.pipeline:Pipeline.normalize"}, "before"),
    "loading": ({"": "dlt.pipeline.pipeline:Pipeline.load"}, "before"),
    # The file is copied, and nobody has noted it: the resumed load copies it once more.
    "copied": ({"duckdb": _DUCKDB + "DuckDbCopyJob.run", "filesystem": _FILES + "FilesystemLoadJob.run"}, "after"),
    "committing": (
        {"duckdb": _DUCKDB + "DuckDbClient.complete_load", "filesystem": _FILES + "FilesystemClient.complete_load"},
        "before",
    ),
    "committed": (
        {"duckdb": _DUCKDB + "DuckDbClient.complete_load", "filesystem": _FILES + "FilesystemClient.complete_load"},
        "after",
    ),
    # The pods are the first load, and every checkpoint of metrics is one more.
    "sampled": ({"": "pipelines.run:_Run._load"}, "after"),
    # The files are there, and no book that is committed names them.
    "series written": ({"": "transforms.series:_take_histograms"}, "before"),
    # Taking in the pods comes to this too.
    "merging": ({"": "transforms.series:merge"}, "before"),
    "taking in": ({"": "transforms.build:Build.take_in"}, "after"),
    "refreshing": ({"": "transforms.build:Build.refresh"}, "before"),
    "refreshed": ({"": "transforms.build:Build.refresh"}, "after"),
    "copying": ({"": "transforms.build:Build.copy_marts"}, "before"),
    "pointing": ({"": "transforms.publication:_point"}, "before"),
    "noting": ({"": "transforms.build:Build.note_published"}, "before"),
}


def arm(point: str, nth: int, destination: str) -> None:
    """Let the process die at the nth call of what the point names."""
    # The names of points hold spaces, those of tables none.
    name_, table = (point, None) if point in POINTS else point.rsplit(" ", 1)
    targets, when = POINTS[name_]
    module_name, _, path = targets.get(destination, targets.get("", "")).partition(":")
    *outer, name = path.split(".")
    holder: Any = import_module(module_name)
    for part in outer:
        holder = getattr(holder, part)
    original: Callable[..., Any] = getattr(holder, name)
    numbers = count(1)

    def fatal(*args: Any, **kwargs: Any) -> Any:
        if table and args[0].job_file_info().table_name != table:
            return original(*args, **kwargs)
        # Jobs are loaded by several threads at once.
        is_the_one = next(numbers) == nth
        if is_the_one and when == "before":
            os._exit(KILLED)
        result = original(*args, **kwargs)
        if is_the_one:
            os._exit(KILLED)
        return result

    setattr(holder, name, fatal)


def main() -> None:
    """Run until the end comes; exit 0 if it does not."""
    url, data_dir, destination, metrics, at, point, nth = sys.argv[1:]
    arm(point, int(nth), destination)
    instant = datetime.fromisoformat(at)
    settings = Settings(data_dir=Path(data_dir), destination=destination, metrics=metrics, progress="none")
    with (
        RunaiClient(url, ClientCredentials("demo", "canary-secret"), clock=lambda: instant) as client,
        # A few windows in each checkpoint.
        patch.object(protocol, "CHECKPOINT", timedelta(milliseconds=20)),
    ):
        protocol.run(settings, client)


if __name__ == "__main__":
    main()
