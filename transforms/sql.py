"""Small things that every statement needs.

Values are written into statements as literals: a bound parameter makes duckdb import pandas, which takes 0.3 s
and 40 MB where nobody hides it, as `pipelines.memory` does in runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb


def literal(text: object) -> str:
    """Return a text as a SQL literal, or as an expression where it holds what no literal can: the character 0."""
    quoted = "'" + str(text).replace("'", "''") + "'"
    return f"""({quoted.replace(chr(0), "' || chr(0) || '")})""" if chr(0) in quoted else quoted


def literals(texts: Iterable[object]) -> str:
    """Return texts as a SQL list of VARCHAR."""
    return f"cast([{', '.join(literal(text) for text in texts)}] as varchar[])"


def instant(moment: datetime) -> str:
    """Return an instant as a SQL expression."""
    return f"cast({literal(moment.isoformat())} as timestamptz)"


def scalar(con: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the first column of the first row; None if there is none.

    The result is read to its end: one that waits for the next `fetchone` keeps DuckDB 2 from running a relation.
    """
    rows = con.execute(query).fetchall()
    return rows[0][0] if rows else None


def count(con: duckdb.DuckDBPyConnection, rows: str) -> int:
    """Return how many rows `from <rows>` has."""
    return int(scalar(con, f"select count(*) from {rows}"))


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block did, or nothing of it."""
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()
