"""Published Parquet: a folder per table, a Hive partition per month of a pod's creation, rewritten only where due."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb

from transforms import models, runner
from transforms.models import Model

_OPTIONS = "format parquet, compression zstd"


def write(con: duckdb.DuckDBPyConnection, folder: Path, before: Path | None) -> None:
    """Write every table below `folder`; partitions that did not change since `before` are links to its files."""
    con.execute(
        "create or replace temp table pod_months as"
        " select pod_id, month_of(created_at) as created_month from marts.main.pods"
    )
    for model in models.marts():
        if model.rebuilt_by == "whole":
            _copy(con, f"from marts.main.{model.name}", folder / model.name / f"{model.name}.parquet")
        else:
            _write_partitions(con, model, folder / model.name, before / model.name if before else None)
    con.execute("drop table temp.pod_months")


def _write_partitions(con: duckdb.DuckDBPyConnection, model: Model, folder: Path, before: Path | None) -> None:
    due = _due(con, model) if before else None
    if before:
        for file in sorted(before.glob("created_month=*/*.parquet")):
            if file.parent.name.partition("=")[2] not in (due or ()):
                _link(file, folder / file.parent.name / file.name)
    for month in _months(con, model):
        if due is None or month in due:
            rows = _rows_of(model, month)
            _copy(con, rows, folder / f"created_month={month}" / f"{model.name}.parquet")
    if not folder.exists():
        # A table without rows is still a table: `read_parquet` fails on a folder without files.
        _copy(con, f"from marts.main.{model.name} limit 0", folder / "created_month=unknown" / f"{model.name}.parquet")


def _due(con: duckdb.DuckDBPyConnection, model: Model) -> set[str]:
    found = con.execute(
        "select created_month from build.main.unpublished_partitions where table_name = $1", [model.name]
    )
    # The file that stands for an empty table goes once there are rows, and is cheap to make again.
    return {month for (month,) in found.fetchall()} | {"unknown"}


def _months(con: duckdb.DuckDBPyConnection, model: Model) -> list[str]:
    found = con.execute(
        f"select distinct coalesce(created_month, 'unknown') from marts.main.{model.name}"
        " left join temp.pod_months using (pod_id) order by all"
    )
    return [month for (month,) in found.fetchall()]


def _rows_of(model: Model, month: str) -> str:
    columns = ", ".join(f"mart.{column.name}" for column in model.columns)
    return (
        f"select {columns} from marts.main.{model.name} as mart left join temp.pod_months using (pod_id)"
        f" where coalesce(created_month, 'unknown') = {runner.literal(month)} order by all"
    )


def _copy(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to {runner.literal(file)} ({_OPTIONS})")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # Some file systems have no hard links.
        shutil.copyfile(source, target)
