"""This project as a contestant: the command that users run, and a look at what it left behind.

python -m bench.ours DATA_DIR      prints {"seconds", "pods", "open", "samples"} as JSON; the seconds are those in which
                                   its last run read and loaded
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.child import Measured, run
from bench.contestants import CLIENT

COMMAND: Final = ("pipelines/pods_pipeline.py", "run", "--progress", "none")
NO_METRICS: Final = ("--metrics", "none")


def publish(url: str, folder: Path, options: Sequence[str] = NO_METRICS) -> Measured:
    """One run, published, with its data in `folder/data`; what it says comes from its own tables."""
    data = folder / "data"
    measured = run(
        [*COMMAND, *options, "--data-dir", str(data)],
        folder,
        SOURCES__RUNAI__BASE_URL=url,
        SOURCES__RUNAI__CLIENT_ID=CLIENT["clientID"],
        SOURCES__RUNAI__CLIENT_SECRET=CLIENT["clientSecret"],
    )
    return replace(measured, said=run(["-m", "bench.ours", str(data)], folder).said)


def look(data: Path) -> dict[str, float]:
    """What the last run in a data directory says of itself."""
    import duckdb

    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as raw:
        [spent] = raw.sql(
            "select read_seconds + load_seconds from raw.runs order by finished_at desc limit 1"
        ).fetchall()
    with duckdb.connect(str(data / "published" / "runai.duckdb"), read_only=True) as published:
        [pods] = published.sql(
            "select count(*), count(*) filter (not is_completed and not is_deleted and is_reachable) from pods"
        ).fetchall()
        [samples] = published.sql("select count(*) from pod_metrics").fetchall()
    return {"seconds": spent[0], "pods": pods[0], "open": pods[1], "samples": samples[0]}


if __name__ == "__main__":
    print(json.dumps(look(Path(sys.argv[1]))))
