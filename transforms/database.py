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
    # One checkpoint at the end of a rebuild rather than one in every batch.
    con.execute("set TimeZone = 'UTC'; set checkpoint_threshold = '256MB'")
    if spill is not None:
        con.execute(f"set temp_directory = {literal(spill)}")
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    return con
