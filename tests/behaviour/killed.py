"""Moments of a run or a `prune` at which something may strike it: by default `kill -9`, so that nothing is flushed.

A point may name a table, as in `copied pod_metrics`; then only its files count.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from itertools import count
from typing import Any

KILLED = -signal.SIGKILL

_DUCKDB = "dlt.destinations.impl.duckdb.duck:"
_FILES = "dlt.destinations.impl.filesystem.filesystem:"

_LOCAL = "fsspec.implementations.local:LocalFileSystem."

# By point: what is called then, for each destination, and whether the end comes before or after the call.
Points = dict[str, tuple[dict[str, str], str]]
POINTS: Points = {
    "draining": ({"": "pipelines.warehouse:Warehouse.drain"}, "before"),
    "learning": ({"": "transforms.build:Build.take_in"}, "before"),
    "extracting": ({"": "dlt.pipeline.pipeline:Pipeline.extract"}, "before"),
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
    # Marts and books are two databases: these are behind until the next commit.
    "marts written": ({"": "transforms.refresh:kept"}, "before"),
    "refreshed": ({"": "transforms.build:Build.refresh"}, "after"),
    "auditing": ({"": "transforms.build:Build.audit"}, "before"),
    "publishing": ({"": "pipelines.run:publish"}, "before"),
    "copying": ({"": "transforms.build:Build.copy_marts"}, "before"),
    # A link lends the unfinished directory its name.
    "showing": ({"": "transforms.series:show"}, "before"),
    "reporting": ({"": "transforms.publication:_render"}, "before"),
    "reported": ({"": "transforms.publication:_render"}, "after"),
    "pointing": ({"": "transforms.publication:_point"}, "before"),
    "noting": ({"": "transforms.build:Build.note_published"}, "before"),
    "pruning": ({"": "transforms.publication:prune_generations"}, "before"),
    "published": ({"": "pipelines.run:publish"}, "after"),
}
PRUNING: Points = {
    "pruning raw": ({"": "pipelines.prune:prune_raw"}, "before"),
    "proving": ({"": "transforms.pruning.content:Content.prove"}, "before"),
    "replacing": ({"duckdb": "transforms.pruning.duckdb_file:_replace", "filesystem": _LOCAL + "mv"}, "before"),
    "replaced": ({"duckdb": "transforms.pruning.duckdb_file:_replace", "filesystem": _LOCAL + "mv"}, "after"),
    "removing": ({"duckdb": "pipelines.prune:_remove", "filesystem": _LOCAL + "rm_file"}, "before"),
}
EVERYWHERE = POINTS | PRUNING


def die() -> None:
    """End this process by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, nth: int, destination: str, strike: Callable[[], object] = die) -> None:
    """Let something strike this process, its end by default, at the nth call of what the point names."""
    # The names of points hold spaces, those of tables none.
    name, table = (point, None) if point in EVERYWHERE else point.rsplit(" ", 1)
    when = EVERYWHERE[name][1]
    numbers = count(1)

    def fatal(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if table and args[0].job_file_info().table_name != table:
            return original(*args, **kwargs)
        # Jobs are loaded by several threads at once.
        is_the_one = next(numbers) == nth
        if is_the_one and when == "before":
            strike()
        result = original(*args, **kwargs)
        if is_the_one and when == "after":
            strike()
        return result

    surround(name, destination, fatal)


def surround(point: str, destination: str, around: Callable[..., Any]) -> None:
    """Have what the point names called through `around`, which is given the original before the arguments."""
    targets, _ = EVERYWHERE[point]
    module_name, _, path = targets.get(destination, targets.get("", "")).partition(":")
    *outer, name = path.split(".")
    holder: Any = import_module(module_name)
    for part in outer:
        holder = getattr(holder, part)
    original: Callable[..., Any] = getattr(holder, name)

    @wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    setattr(holder, name, called)
