"""One `prune` that dies at a given moment: python -m tests.behaviour.pruned DATA_DIR DESTINATION POINT NTH."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.prune import prune
from pipelines.settings import Settings
from tests.behaviour.killed import POINTS, arm

_FILES = "fsspec.implementations.local:LocalFileSystem."
PRUNING: dict[str, tuple[dict[str, str], str]] = {
    "proving": ({"": "transforms.pruning.content:Content.prove"}, "before"),
    "replacing": ({"duckdb": "transforms.pruning.duckdb_file:_replace", "filesystem": _FILES + "mv"}, "before"),
    "replaced": ({"duckdb": "transforms.pruning.duckdb_file:_replace", "filesystem": _FILES + "mv"}, "after"),
    "removing": ({"duckdb": "pipelines.prune:_remove", "filesystem": _FILES + "rm_file"}, "before"),
}


def main() -> None:
    """Prune until the end comes; exit 0 if it does not."""
    data_dir, destination, point, nth = sys.argv[1:]
    POINTS.update(PRUNING)
    arm(point, int(nth), destination)
    prune(Settings(data_dir=Path(data_dir), destination=destination))


if __name__ == "__main__":
    main()
