"""What is published, read only: never waits for a run, and never makes one wait."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = dict[str, Any]


class Unpublished(Exception):
    """Nothing has been published in this data directory yet."""


@contextmanager
def published(data_dir: Path) -> Iterator[DuckDBPyConnection]:
    """A read-only connection to one published generation, in UTC; `Unpublished` if there is none."""
    import duckdb

    # The link is followed once: what is read stays one generation, whatever is published meanwhile.
    database = (data_dir / "published").resolve() / "runai.duckdb"
    if not database.exists():
        raise Unpublished
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def rows(con: DuckDBPyConnection, query: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
    """The rows of a query, by column name."""
    cursor = con.execute(query, dict(parameters)) if parameters else con.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def published_warnings(data_dir: Path) -> list[Row]:
    """What the audit of the last publication warned of, with up to five rows each; empty before the first one."""
    return list(_manifest(data_dir).get("warnings", []))


def published_rows(data_dir: Path) -> dict[str, int]:
    """Rows of each published table; empty before the first publication."""
    return {name: table["rows"] for name, table in _manifest(data_dir).get("tables", {}).items()}


def _manifest(data_dir: Path) -> Row:
    try:
        manifest: Row = json.loads((data_dir / "published" / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        # Cut short, say, by a loss of power: the next publication has one again.
        return {}
    return manifest
