"""What the published tables hold, as rows that compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from transforms import Build, DuckDBRaw, RawStore, models
from transforms.database import HERE


def marts(build: Build) -> dict[str, list[tuple[Any, ...]]]:
    """Every published table, its rows in order."""
    return {mart.name: rows(build, f"from marts.main.{mart.name} order by all") for mart in models.marts()}


def rows(build: Build, query: str) -> list[tuple[Any, ...]]:
    return build.connection.execute(query).fetchall()


def column(build: Build, query: str) -> list[Any]:
    return [row[0] for row in rows(build, query)]


def row(build: Build, query: str) -> dict[str, Any]:
    """The only row of a query, by column name."""
    result = build.connection.execute(query)
    names = [part[0] for part in result.description or ()]
    (only,) = result.fetchall()
    return dict(zip(names, only, strict=True))


def refreshed(build: Build, store: RawStore | Path) -> Build:
    """Take in and rebuild, as a run does."""
    build.take_in(DuckDBRaw(store) if isinstance(store, Path) else store)
    build.refresh()
    return build


def published(data_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of the published database, its rows in order."""
    with duckdb.connect(data_dir / "published" / "runai.duckdb", read_only=True) as con:
        return {mart.name: con.execute(f"from {mart.name} order by all").fetchall() for mart in models.marts()}


def sql_files() -> list[Path]:
    return sorted(HERE.rglob("*.sql"))
