"""The front door: `python pipelines/pods_pipeline.py [COMMAND] [OPTIONS]`, from any working directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage, 3 stale, 4 another run holds the lock."""
    # dlt reads these once, when it is imported: `.dlt` is the project's, wherever the command is called from.
    os.environ.setdefault("DLT_PROJECT_DIR", str(ROOT))
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    try:
        from pipelines.cli import execute

        return execute(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        # Pressed while the packages above were being imported.
        return 1


if __name__ == "__main__":
    # Python puts the folder of the script here; the packages are one above it.
    sys.path[0] = str(ROOT)
    from pipelines.failures import FAILED
    from pipelines.memory import be_frugal, leave
    from pipelines.stopping import end_on_signals

    end_on_signals(FAILED)
    be_frugal()
    leave(main())
