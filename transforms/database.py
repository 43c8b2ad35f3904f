"""DuckDB connections as the models want them: UTC, bounded memory, macros at hand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import duckdb

from transforms.sql import literal, scalar

HERE = Path(__file__).parent
_LOG = logging.getLogger(__name__)
_Found = TypeVar("_Found")

_MEMORY = "128MB"
# For texts of a megabyte each: what of them is in hand at once cannot go to the disk.
_MORE_MEMORY: Final = ("512MB", "2GB")
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


def with_room(con: duckdb.DuckDBPyConnection, step: Callable[[], _Found]) -> _Found:
    """Do a step that may be cut short and done again, with more memory where it turns out to need more.

    OutOfMemoryException where even the most is too little.
    """
    # What a step before has needed stays.
    raised = scalar(con, "select coalesce(getvariable('raised'), 0)")
    for times, more in enumerate(_MORE_MEMORY[raised:], raised + 1):
        try:
            return step()
        except duckdb.OutOfMemoryException:
            _LOG.warning("what arrived does not fit into the memory of a build: again with %s", more)
            con.execute(f"set memory_limit = {literal(more)}")
            con.execute(f"set variable raised = {times}")
    return step()
