"""In what the published tables of one run differ from those of another: rows that lack, or columns by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import duckdb

# When and how long a run was is never twice the same; all else goes by a clock that stands still.
_OF_THE_RUN: Final = {"runs": ("run_id", "started_at", "finished_at", "read_seconds", "load_seconds")}

Tables = Mapping[str, tuple[list[str], Counter[Any]]]


def tables(database: Path) -> Tables:
    """Every table and view of a published database: the names of its columns, and its rows as text."""
    with duckdb.connect(str(database), read_only=True) as con:
        names = con.execute("select table_name from information_schema.tables order by all").fetchall()
        return {name: _table(con, name) for (name,) in names}


def differences(wanted: Tables, found: Tables) -> str:
    """Each table that is not as wanted: how many rows for how many, or the columns of which the values differ."""
    return ", ".join(
        f"{name} {_difference(*wanted[name], found[name][1])}" for name in wanted if found[name] != wanted[name]
    )


def _table(con: duckdb.DuckDBPyConnection, name: str) -> tuple[list[str], Counter[Any]]:
    columns = [column for column in con.table(name).columns if column not in _OF_THE_RUN.get(name, ())]
    shown = ", ".join(f'"{column}"::varchar' for column in columns)
    return columns, Counter(con.execute(f"select {shown} from {name}").fetchall())


def _difference(columns: list[str], wanted: Counter[Any], found: Counter[Any]) -> str:
    if found.total() == wanted.total():
        return f"({', '.join(_columns(columns, wanted, found)) or 'rows'})"
    others = (found - wanted).total()
    return f"{found.total()} for {wanted.total()}" + (f" with {others} other" if others else "")


def _columns(columns: list[str], wanted: Counter[Any], found: Counter[Any]) -> Iterator[str]:
    for place, column in enumerate(columns):
        was, is_ = (Counter(row[place] for row in rows.elements()) for rows in (wanted, found))
        if was != is_:
            yield column
