"""Published generations made by hand: as much of the tables as the front door reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLES = {
    "runs": "run_id varchar, started_at timestamptz, finished_at timestamptz, as_of timestamptz, outcome varchar, "
    "requests bigint, rejects bigint, rejects_new bigint",
    "pods": "pod_id varchar, project_id varchar, project_name varchar, phase varchar, completed_at timestamptz, "
    "is_completed boolean, is_deleted boolean, is_reachable boolean, allocated_gpu double",
    "pod_counts": "counted_at timestamptz, as_of timestamptz, is_whole boolean, filter varchar, api_count bigint, "
    "warehouse_count bigint, difference bigint",
    "pod_metric_coverage": "pod_id varchar, metric varchar, covered_seconds double, wanted_seconds double, "
    "status varchar",
}


def run(finished_at: datetime, **fields: Any) -> dict[str, Any]:
    """A row of `runs` that ended then, after a minute."""
    began = finished_at - timedelta(minutes=1)
    row = {"run_id": "r", "started_at": began, "finished_at": finished_at, "as_of": began, "outcome": "loaded"}
    return {**row, "requests": 7, "rejects": 0, **fields}


def pod(pod_id: str, **fields: Any) -> dict[str, Any]:
    """A row of `pods`: running on one GPU."""
    row = {"pod_id": pod_id, "project_id": "1", "project_name": "vision", "phase": "Running", "completed_at": None}
    return {**row, "is_completed": False, "is_deleted": False, "is_reachable": True, "allocated_gpu": 1.0, **fields}


def count(counted_at: datetime, words: str, api: int, here: int | None, **fields: Any) -> dict[str, Any]:
    """A row of `pod_counts`, of everything unless it says otherwise, by a run as of noon."""
    difference = None if here is None else api - here
    row = {"counted_at": counted_at, "as_of": T0, "is_whole": True, "filter": words, "api_count": api}
    return {**row, "warehouse_count": here, "difference": difference, **fields}


def publish(
    data_dir: Path, name: str = "one", warnings: Sequence[dict[str, Any]] = (), **tables: Sequence[dict[str, Any]]
) -> Path:
    """Make a generation of these rows the published one, with what its audit warned of; returns its database."""
    folder = data_dir / "state" / "generations" / name
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "runai.duckdb")) as con:
        for table, columns in TABLES.items():
            con.execute(f"create table {table} ({columns})")
            for row in tables.get(table, ()):
                con.execute(
                    f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})", [*row.values()]
                )
    rows = {table: {"rows": len(tables.get(table, ()))} for table in TABLES}
    (folder / "manifest.json").write_text(json.dumps({"tables": rows, "warnings": list(warnings)}))
    link = data_dir / "published"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.relative_to(data_dir))
    return folder / "runai.duckdb"
