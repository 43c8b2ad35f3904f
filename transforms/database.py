"""DuckDB connections as the models want them: UTC, bounded memory, macros at hand."""

from __future__ import annotations

from pathlib import Path

import duckdb

from transforms.sql import literal

HERE = Path(__file__).parent
_MEMORY = "128MB"
# A batch of pods is less than one of DuckDB's row groups: a second thread adds a quarter to work and memory, and saves
# no time.
_THREADS = 1
# Trying these costs a fourth of a first build, and they save a seventh of the published file.
_TOO_SLOW = "zstd,fsst,dict_fsst"


def connect(path: Path | str, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a database with the macros of `macros.sql`; what exceeds its memory goes to `spill`."""
    con = duckdb.connect(str(path), config={"memory_limit": _MEMORY, "threads": _THREADS})
    con.execute("set TimeZone = 'UTC'")
    con.execute(f"set disabled_compression_methods = {literal(_TOO_SLOW)}")
    if spill is not None:
        con.execute(f"set temp_directory = {literal(spill)}")
    con.execute((HERE / "macros.sql").read_text(encoding="utf-8"))
    return con
