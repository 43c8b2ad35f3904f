"""What the page tells: the rows of every query in `queries/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb

from transforms.sql import literal

Row = dict[str, Any]

_HERE: Final = Path(__file__).parent
# Each reads those before it.
_WINDOW: Final = ("report_window", "report_days", "report_usage", "report_pools")


def answers(con: duckdb.DuckDBPyConnection, *, as_of: str | None, time_zone: str) -> Mapping[str, list[Row]]:
    """Return the rows of each query, by the query's name.

    `con` reads the published tables, `as_of` is the instant of the last run as ISO 8601 text, and days are those of the
    time zone. Instants and days come as text: DuckDB's calendar is longer than Python's.
    """
    con.execute("set TimeZone = 'UTC'")
    instant = f"cast({literal(as_of)} as timestamptz)" if as_of else "cast(null as timestamptz)"
    con.execute(
        f"create or replace temp table report_settings as select {instant} as as_of, {literal(time_zone)} as time_zone"
    )
    for name in _WINDOW:
        con.execute(f"create or replace temp table {name} as {_text(_HERE / 'window' / f'{name}.sql')}")
    return {path.stem: _rows(con, _text(path)) for path in sorted((_HERE / "queries").glob("*.sql"))}


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
