"""The hours of a few pods, put before the models that are rebuilt by pod."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from transforms import models, runner, series
from transforms.sql import literals

_TABLE: Final = "pod_metrics_hourly"


def show(con: duckdb.DuckDBPyConnection, folder: Path, pods: str) -> None:
    """Show the hours of the pods that the temporary table `pods` lists, out of the days in which one of them lived."""
    by_day = series.files(con, _TABLE, folder)
    paths = [path for day in _days(con, pods) for path in by_day[day]]
    if paths:
        of_days = f"read_parquet({literals(paths)}, hive_partitioning = false)"
        runner.restrict_to(con, _TABLE, f"{of_days} where pod_id in (select pod_id from temp.{pods})")
    else:
        (model,) = (model for model in models.series() if model.name == _TABLE)
        con.execute(f"create or replace temp table {_TABLE} ({runner.column_list(model)})")


def _days(con: duckdb.DuckDBPyConnection, pods: str) -> list[str]:
    rows = con.execute(
        f"""
        with lives as (
            select distinct
                cast(created_at at time zone 'UTC' as date) as first_day,
                cast(least(completed_at, deleted_at) at time zone 'UTC' as date) as last_day
            from build.main.known_pods
            where pod_id in (select pod_id from temp.{pods})
        )

        select distinct cast(day as varchar) as day
        from build.main.series_files
        where table_name = '{_TABLE}' and exists (
            from lives
            where coalesce(day >= first_day, true) and coalesce(day <= last_day, true)
        )
        order by day
        """
    ).fetchall()
    return [day for (day,) in rows]
