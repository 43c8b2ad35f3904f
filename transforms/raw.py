"""Raw tables where dlt put them: a DuckDB file or a folder of Parquet, read by committed load."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import duckdb
import fsspec
from fsspec.implementations.local import LocalFileSystem

from transforms.sql import literal, literals, scalar

_ATTACHED = "warehouse"


class RawStore(Protocol):
    """What the build needs of a destination. A store that does not exist yet has no loads; that is no error."""

    def committed_loads(self) -> list[str]:
        """Return the load ids with status 0, sorted."""
        ...

    def rows(
        self, con: duckdb.DuckDBPyConnection, table: str, load_ids: Sequence[str]
    ) -> duckdb.DuckDBPyRelation | None:
        """Return the rows of these loads as they lie on disk, repeats included; None where there is no such table."""
        ...

    def release(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let go of whatever `rows` attached to the connection."""
        ...


class DuckDBRaw:
    """Raw tables in a schema of a DuckDB file, dlt's `duckdb` destination."""

    def __init__(self, path: Path, dataset: str = "raw") -> None:
        self._path = path
        self._dataset = dataset

    def committed_loads(self) -> list[str]:
        """Return the load ids with status 0, sorted."""
        if not self._path.exists():
            return []
        with duckdb.connect(str(self._path), read_only=True) as con:
            if not _has_table(con, self._dataset, "_dlt_loads"):
                return []
            loads = con.execute(f'select distinct load_id from "{self._dataset}"._dlt_loads where status = 0')
            return sorted(load_id for (load_id,) in loads.fetchall())

    def rows(
        self, con: duckdb.DuckDBPyConnection, table: str, load_ids: Sequence[str]
    ) -> duckdb.DuckDBPyRelation | None:
        """Return the rows of these loads; the file stays attached until `release`."""
        con.execute(f"attach if not exists {literal(self._path)} as {_ATTACHED} (read_only)")
        if not _has_table(con, self._dataset, table, database=_ATTACHED):
            return None
        source = f'select * from {_ATTACHED}."{self._dataset}"."{table}"'
        return con.sql(f"{source} where _dlt_load_id in (select unnest({literals(load_ids)}))")

    def release(self, con: duckdb.DuckDBPyConnection) -> None:
        """Detach the file, so that dlt may write to it again."""
        con.execute(f"detach database if exists {_ATTACHED}")


class ParquetRaw:
    """Raw tables as Parquet files below one folder, dlt's `filesystem` destination, local or remote.

    Files are found by the load id that starts their name: a killed load leaves torn files that no glob may touch.
    Remote files are fetched first, many at a time: each is read only once, and DuckDB reads them best from a disk.
    """

    def __init__(self, filesystem: fsspec.AbstractFileSystem, dataset_path: str) -> None:
        self._filesystem = filesystem
        self._dataset_path = dataset_path
        self._fetched: list[tempfile.TemporaryDirectory[str]] = []

    def committed_loads(self) -> list[str]:
        """Return the load ids that dlt's ledger names as `<schema>__<load id>.jsonl`, sorted."""
        names = (posixpath.basename(path) for path in self._files("_dlt_loads"))
        return sorted({name.removesuffix(".jsonl").rpartition("__")[2] for name in names if name.endswith(".jsonl")})

    def rows(
        self, con: duckdb.DuckDBPyConnection, table: str, load_ids: Sequence[str]
    ) -> duckdb.DuckDBPyRelation | None:
        """Return the rows of the files of these loads, columns united by name."""
        wanted = frozenset(load_ids)
        paths = [path for path in self._files(table) if _load_of(posixpath.basename(path)) in wanted]
        if not paths:
            return None
        if not isinstance(self._filesystem, LocalFileSystem):
            paths = self._fetch(paths)
        return con.read_parquet(paths, union_by_name=True, hive_partitioning=False)

    def release(self, con: duckdb.DuckDBPyConnection) -> None:  # noqa: ARG002
        """Remove what was fetched."""
        while self._fetched:
            self._fetched.pop().cleanup()

    def _files(self, table: str) -> list[str]:
        # A cached listing would hide the load that was just committed.
        self._filesystem.invalidate_cache()
        folder = posixpath.join(self._dataset_path, table)
        return sorted(self._filesystem.ls(folder, detail=False)) if self._filesystem.exists(folder) else []

    def _fetch(self, paths: list[str]) -> list[str]:
        folder = tempfile.TemporaryDirectory(prefix="runai-pods-")
        self._fetched.append(folder)
        local = [str(Path(folder.name) / posixpath.basename(path)) for path in paths]
        self._filesystem.get(paths, local)
        return local


def _load_of(name: str) -> str | None:
    """Return the load id of `<load id>.<file id>.parquet`; load ids hold one dot themselves."""
    return ".".join(name.split(".")[:2]) if name.endswith(".parquet") else None


def _has_table(con: duckdb.DuckDBPyConnection, schema: str, table: str, database: str | None = None) -> bool:
    in_database = literal(database) if database else "current_database()"
    found = scalar(
        con,
        f"select 1 from duckdb_tables() where database_name = {in_database}"
        f" and schema_name = {literal(schema)} and table_name = {literal(table)}",
    )
    return found is not None
