"""Raw in a DuckDB file: DuckDB gives no space back, so what counts moves into a new file, and it takes the old name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from transforms.build import raw_tables
from transforms.database import connect
from transforms.errors import PruneRefused
from transforms.layout import sync
from transforms.pruning.content import LOAD, Pruned, content_of
from transforms.raw import DuckDBRaw
from transforms.sql import count, literal, literals

# A file that would shrink by less is left alone: a second call finds nothing to do.
_WORTH_IT: Final = 0.1


def prune_duckdb(raw: DuckDBRaw, scratch: Path, *, dry_run: bool = False) -> Pruned:
    """Replace the file, in one step, by a copy that was proven to hold everything that counts."""
    draft = raw.path.with_name(f".{raw.path.name}.pruned")
    _remove(draft)
    pruned = Pruned()
    if not raw.path.exists():
        return pruned
    try:
        _copy(raw, draft, scratch, pruned)
        before, after = raw.path.stat().st_size, draft.stat().st_size
        if not (pruned.dead or pruned.repeats or after <= before * (1 - _WORTH_IT)):
            return pruned
        pruned.freed = before - after
        if not dry_run:
            _replace(raw.path, draft)
    finally:
        _remove(draft)
    return pruned


def _copy(raw: DuckDBRaw, draft: Path, scratch: Path, pruned: Pruned) -> None:
    committed = literals(raw.committed_loads())
    with connect(":memory:", spill=scratch) as con:
        con.execute("set preserve_insertion_order = false")
        # Opened for writing, so that what a killed process left in the write-ahead log is in the file.
        con.execute(f"attach {literal(raw.path)} as old")
        con.execute("checkpoint old")
        con.execute(f"attach {literal(draft)} as new")
        con.execute("copy from database old to new (schema)")
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'old' order by all"
        ).fetchall():
            place = f'"{schema}"."{table}"'
            if schema == raw.dataset and f"raw_{table}" in raw_tables():
                _copy_table(con, table, place, committed, pruned)
            else:
                con.execute(f"insert into new.{place} from old.{place}")
        con.execute("checkpoint new")
        con.execute("detach new")
        con.execute("detach old")


def _copy_table(con: duckdb.DuckDBPyConnection, table: str, place: str, committed: str, pruned: Pruned) -> None:
    alive = f"select * from old.{place} where {LOAD} in (select unnest({committed}))"
    dead = f"select * from old.{place} where ({LOAD} in (select unnest({committed}))) is not true"
    content = content_of(con, table, alive)
    content.copy(con, alive, f"new.{place}")
    content.prove(con, alive, f"from new.{place}")
    copied, lived, died = (count(con, rows) for rows in (f"new.{place}", f"({alive})", f"({dead})"))
    pruned.repeats += lived - copied
    if died:
        con.execute(f"insert into new.{place} by name {content.last_copies(dead, alive)}")
        kept = count(con, f"new.{place}") - copied
        pruned.last_copies += kept
        pruned.dead += died - kept


def _replace(path: Path, draft: Path) -> None:
    for log in (_log_of(path), _log_of(draft)):
        if log.exists():
            # It would be replayed into a file that it does not belong to.
            raise PruneRefused(f"{log} is not empty: another program has the database open")
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def _log_of(database: Path) -> Path:
    return Path(f"{database}.wal")


def _remove(draft: Path) -> None:
    draft.unlink(missing_ok=True)
    _log_of(draft).unlink(missing_ok=True)
