"""Makes raw smaller: what counts is copied, the copy is proven to hold all of it, and only then the rest is removed.

A kill at any moment leaves raw as it was, or as it is to be; what else lies about, the next call removes.
"""

from __future__ import annotations

from pathlib import Path

from transforms.pruning.content import Pruned
from transforms.pruning.duckdb_file import prune_duckdb
from transforms.pruning.parquet_files import prune_parquet
from transforms.raw import DuckDBRaw, ParquetRaw, RawStore

__all__ = ["Pruned", "prune_raw"]


def prune_raw(raw: RawStore, scratch: Path, *, dry_run: bool = False) -> Pruned:
    """Remove from raw what does not count, and write small files as larger ones; return what was removed.

    Args:
        raw: the raw tables; no package may be pending, for its load would be taken for a dead one.
        scratch: a folder on a disk that can hold a copy of the largest table.
        dry_run: do everything but the last step, which removes.

    Raises:
        PruneRefused: a copy is not equal to what it is to stand for; nothing was removed.
        TypeError: raw is neither a DuckDB file nor a folder of Parquet.
    """
    if isinstance(raw, DuckDBRaw):
        return prune_duckdb(raw, scratch, dry_run=dry_run)
    if isinstance(raw, ParquetRaw):
        return prune_parquet(raw, scratch, dry_run=dry_run)
    msg = f"{type(raw).__name__} cannot be pruned"
    raise TypeError(msg)
