"""One `prune` that dies at a given moment: python -m tests.behaviour.pruned DATA_DIR DESTINATION POINT NTH."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.prune import prune
from pipelines.settings import Settings
from tests.behaviour.killed import arm


def main() -> None:
    """Prune until the end comes; exit 0 if it does not."""
    data_dir, destination, point, nth = sys.argv[1:]
    arm(point, int(nth), destination)
    prune(Settings(data_dir=Path(data_dir), destination=destination))


if __name__ == "__main__":
    main()
