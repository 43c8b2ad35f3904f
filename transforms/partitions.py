"""Published Parquet: a folder per table, a Hive partition per month of the pods' creation, written only where due.

A month with many pods is cut by day, so that a run rewrites the days of the pods that changed and links the rest.
A file's key is its month or day, `2026-07` or `2026-07-14`, or `unknown` for pods without a time of creation.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from transforms import models
from transforms.layout import link_or_copy
from transforms.models import Model
from transforms.sql import literal, literals

# A file of so many pods is rewritten in about a second.
_PODS_IN_A_FILE = 20_000
# DuckDB keeps a hundred files open; beyond that it starts a second one for the same key.
_FILES_AT_ONCE = 60
_UNKNOWN = "unknown"
# Of a name that no mart has for a column: DuckDB would rename it, and its folders would not be found.
_CUT_BY = "file_key"
_OPTIONS = "format parquet, compression zstd"


def write(con: duckdb.DuckDBPyConnection, folder: Path, before: Path | None) -> None:
    """Write every table below `folder`; files whose pods did not change since `before` are links to its files."""
    # Whoever ran out of memory tries again.
    shutil.rmtree(folder, ignore_errors=True)
    keys = _assign_files(con)
    for model in models.marts():
        target = folder / model.name
        target.mkdir(parents=True)
        if model.rebuilt_by == "whole":
            con.execute(f"copy marts.main.{model.name} to {literal(target / _name(model))} ({_OPTIONS})")
            continue
        due = keys
        if before:
            due = keys & (_due(con, model) | _laid_out_anew(model, before / model.name, keys))
            _link_all(model, before / model.name, target, keys - due)
        _copy(con, model, target, due)
    con.execute("drop table temp.files")


def _assign_files(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Fill `files` with the key of the file that the pods of each day of creation go to; return the keys."""
    con.execute(
        f"""
        create or replace temp table files as
        with days as (
            select created_on, count(*) as pods from build.main.built_pods group by created_on
        )
        select
            created_on,
            case
                when created_on is null then '{_UNKNOWN}'
                when sum(pods) over (partition by date_trunc('month', created_on)) > {_PODS_IN_A_FILE}
                    then strftime(created_on, '%Y-%m-%d')
                else strftime(created_on, '%Y-%m')
            end as key
        from days
        """
    )
    return {key for (key,) in con.execute("select distinct key from temp.files").fetchall()}


def _due(con: duckdb.DuckDBPyConnection, model: Model) -> set[str]:
    found = con.execute(f"select created_on from build.main.unpublished_days where table_name = {literal(model.name)}")
    days = [day for (day,) in found.fetchall()]
    return {key for day in days for key in ((f"{day:%Y-%m}", f"{day:%Y-%m-%d}") if day else (_UNKNOWN,))}


def _laid_out_anew(model: Model, before: Path, keys: set[str]) -> set[str]:
    """Return the keys of months that were one file before and are cut by day now, or the reverse."""
    files = before.glob("created_month=*/*.parquet")
    had = {file.parent.name.partition("=")[2] + file.stem.removeprefix(model.name) for file in files}
    return {key for key in keys if any(other[:7] == key[:7] and len(other) != len(key) for other in had)}


def _link_all(model: Model, before: Path, target: Path, keys: set[str]) -> None:
    for key in sorted(keys):
        source, link = before / _path(model, key), target / _path(model, key)
        # Without a file, none of these pods has a row in this table.
        if source.exists():
            link.parent.mkdir(exist_ok=True)
            link_or_copy(source, link)


def _copy(con: duckdb.DuckDBPyConnection, model: Model, target: Path, keys: set[str]) -> None:
    """Write the files with these keys, many in one pass; DuckDB names them by folder, we by file."""
    wanted = sorted(keys)
    for start in range(0, len(wanted), _FILES_AT_ONCE):
        con.execute(
            f"""
            copy (
                select mart.*, files.key as {_CUT_BY}
                from marts.main.{model.name} as mart
                inner join build.main.built_pods on mart.{model.pod_column} = built_pods.pod_id
                inner join temp.files on built_pods.created_on is not distinct from files.created_on
                where list_contains({literals(wanted[start : start + _FILES_AT_ONCE])}, files.key)
            ) to {literal(target)} ({_OPTIONS}, partition_by ({_CUT_BY}), overwrite_or_ignore)
            """
        )
    for written in sorted(target.glob(f"{_CUT_BY}=*/*.parquet")):
        place = target / _path(model, written.parent.name.removeprefix(f"{_CUT_BY}="))
        place.parent.mkdir(exist_ok=True)
        written.rename(place)
        written.parent.rmdir()
    if not any(target.iterdir()):
        # A table without rows is still a table: `read_parquet` fails on a folder without files.
        empty = target / _path(model, _UNKNOWN)
        empty.parent.mkdir()
        con.execute(f"copy (from marts.main.{model.name} limit 0) to {literal(empty)} ({_OPTIONS})")


def _path(model: Model, key: str) -> Path:
    month, day = key[:7], key[7:]
    return Path(f"created_month={month}") / _name(model, day)


def _name(model: Model, day: str = "") -> str:
    return f"{model.name}{day}.parquet"
