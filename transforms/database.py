"""DuckDB connections as the models want them: UTC, bounded memory, macros at hand."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from transforms.sql import literal

HERE = Path(__file__).parent
_MEMORY = "128MB"


def connect(path: Path | str, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a database with the macros of `macros.sql`; what exceeds its memory goes to `spill`."""
    con = duckdb.connect(str(path), config={"memory_limit": _MEMORY, "threads": min(4, os.cpu_count() or 1)})
    con.execute("set TimeZone = 'UTC'")
    if spill is not None:
        con.execute(f"set temp_directory = {literal(spill)}")
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    return con
