"""Raw tables where dlt put them: a DuckDB file or a folder of Parquet, read by committed load."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import duckdb
import fsspec
from fsspec.implementations.local import LocalFileSystem

from transforms.sql import literal, literals, scalar

_ATTACHED = "warehouse"
_MERGED: Final = "-merged"
# Of DuckDB's own header and of the two of the database; they are written one after the other, before anything else.
_HEADERS_BYTES: Final = 3 * 4096


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

    def remove_fetched(self) -> None:
        """Give back the room on the disk that `rows` took; nobody may read what it returned any more."""
        ...

    def release(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let go of whatever `rows` attached to the connection."""
        ...


class DuckDBRaw:
    """Raw tables in a schema of a DuckDB file, dlt's `duckdb` destination."""

    def __init__(self, path: Path, dataset: str = "raw") -> None:
        self.path = path
        self.dataset = dataset

    @property
    def is_unborn(self) -> bool:
        """Whether the file did not get its headers, as a kill or a full disk leaves it: it holds nothing yet."""
        if not self.path.exists() or self.path.stat().st_size >= _HEADERS_BYTES:
            return False
        start = self.path.read_bytes()
        # A small file of another kind is somebody's.
        return not start or start[8:12] == b"DUCK"

    def committed_loads(self) -> list[str]:
        """Return the load ids with status 0, sorted."""
        if not self.path.exists() or self.is_unborn:
            return []
        with duckdb.connect(str(self.path), read_only=True) as con:
            if not _has_table(con, self.dataset, "_dlt_loads"):
                return []
            loads = con.execute(f'select distinct load_id from "{self.dataset}"._dlt_loads where status = 0')
            return sorted(load_id for (load_id,) in loads.fetchall())

    def rows(
        self, con: duckdb.DuckDBPyConnection, table: str, load_ids: Sequence[str]
    ) -> duckdb.DuckDBPyRelation | None:
        """Return the rows of these loads; the file stays attached until `release`."""
        con.execute(f"attach if not exists {literal(self.path)} as {_ATTACHED} (read_only)")
        if not _has_table(con, self.dataset, table, database=_ATTACHED):
            return None
        source = f'select * from {_ATTACHED}."{self.dataset}"."{table}"'
        return con.sql(f"{source} where _dlt_load_id in (select unnest({literals(load_ids)}))")

    def remove_fetched(self) -> None:
        """Do nothing: rows are read where they are."""

    def release(self, con: duckdb.DuckDBPyConnection) -> None:
        """Detach the file, so that dlt may write to it again."""
        con.execute(f"detach database if exists {_ATTACHED}")


@dataclass(frozen=True)
class RawFile:
    """A file of Parquet, and the loads whose rows it may hold: dlt's hold those of one, merged ones of a stretch."""

    path: str
    first: str
    last: str
    is_merged: bool

    @classmethod
    def of(cls, path: str) -> Self | None:
        """Read `<load id>.<file id>.parquet`, or what `merged_name` gives; load ids hold one dot themselves."""
        *parts, suffix = posixpath.basename(path).split(".")
        if suffix != "parquet" or len(parts) < 3:
            return None
        last, rest = ".".join(parts[:2]), ".".join(parts[2:])
        is_merged = rest.endswith(_MERGED)
        return cls(path, rest.removesuffix(_MERGED) if is_merged else last, last, is_merged)

    def may_hold(self, load: str) -> bool:
        """Whether the load lies in the stretch; load ids are seconds since the epoch."""
        return float(self.first) <= float(load) <= float(self.last)

    def spans(self, other: RawFile) -> bool:
        """Whether it was merged from a wider stretch that holds the other's."""
        is_wider = (self.first, self.last) != (other.first, other.last)
        return self.is_merged and is_wider and self.may_hold(other.first) and self.may_hold(other.last)


def merged_name(files: Sequence[RawFile]) -> str:
    """Return the name of a file that holds all that counts of the loads that it has rows of."""
    first, last = min((file.first for file in files), key=float), max((file.last for file in files), key=float)
    return f"{last}.{first}{_MERGED}.parquet"


class ParquetRaw:
    """Raw tables as Parquet files below one folder, dlt's `filesystem` destination, local or remote.

    Files are found by the load id that starts their name: a killed load leaves torn files that no glob may touch.
    Remote files are fetched first, many at a time: each is read only once, and DuckDB reads them best from a disk. They
    lie in `spill`, so that what a killed process had fetched goes as that folder is cleared.
    """

    def __init__(self, filesystem: fsspec.AbstractFileSystem, dataset_path: str, spill: Path) -> None:
        self.filesystem = filesystem
        self.dataset_path = dataset_path
        self.spill = spill
        self._folders: list[tempfile.TemporaryDirectory[str]] = []
        self._fetched: dict[str, str] = {}

    @property
    def is_local(self) -> bool:
        """Whether the files are on a disk of this machine."""
        return isinstance(self.filesystem, LocalFileSystem)

    def committed_loads(self) -> list[str]:
        """Return the load ids that dlt's ledger names as `<schema>__<load id>.jsonl`, sorted."""
        names = (posixpath.basename(path) for path in self.paths("_dlt_loads"))
        return sorted({name.removesuffix(".jsonl").rpartition("__")[2] for name in names if name.endswith(".jsonl")})

    def rows(
        self, con: duckdb.DuckDBPyConnection, table: str, load_ids: Sequence[str]
    ) -> duckdb.DuckDBPyRelation | None:
        """Return the rows of the files of these loads, columns united by name."""
        files = self.files(table)
        merged = [file for file in files if file.is_merged and any(map(file.may_hold, load_ids))]
        wanted = set(load_ids)
        if not merged:
            paths = self.local([file.path for file in files if file.last in wanted and not file.is_merged])
            return con.read_parquet(paths, union_by_name=True, hive_partitioning=False) if paths else None
        # Each load is read from one place: what a merged file has of a load is all of it, and the rest was left over.
        places: dict[str, set[str]] = {}
        for path in self.local([file.path for file in merged]):
            places[path] = self.loads_in(con, path) & wanted
            wanted -= places[path]
        own = [file for file in files if file.last in wanted and not file.is_merged]
        places |= {path: {file.last} for path, file in zip(self.local([file.path for file in own]), own, strict=True)}
        chosen = " or ".join(
            f"(filename = {literal(path)} and _dlt_load_id in (select unnest({literals(sorted(loads))})))"
            for path, loads in places.items()
        )
        return con.sql(
            f"select * exclude (filename) from read_parquet({literals(places)}, union_by_name = true, filename = true)"
            f" where {chosen}"
        )

    @staticmethod
    def loads_in(con: duckdb.DuckDBPyConnection, path: str) -> set[str]:
        """Return the loads that a file on the disk has rows of."""
        found = con.execute(f"select distinct _dlt_load_id from read_parquet({literal(path)})")
        return {load for (load,) in found.fetchall()}

    def remove_fetched(self) -> None:
        """Remove what was fetched."""
        self._fetched.clear()
        while self._folders:
            self._folders.pop().cleanup()

    def release(self, con: duckdb.DuckDBPyConnection) -> None:  # noqa: ARG002
        """Remove what was fetched."""
        self.remove_fetched()

    def files(self, table: str) -> list[RawFile]:
        """Return the table's files of Parquet, in the order of their names; there may be torn ones among them."""
        return [file for path in self.paths(table) if (file := RawFile.of(path))]

    def paths(self, table: str) -> list[str]:
        """Return everything that lies in the table's folder, sorted."""
        # A cached listing would hide the load that was just committed.
        self.filesystem.invalidate_cache()
        folder = posixpath.join(self.dataset_path, table)
        return sorted(self.filesystem.ls(folder, detail=False)) if self.filesystem.exists(folder) else []

    def local(self, paths: Sequence[str]) -> list[str]:
        """Return where the files of one table can be read until `remove_fetched`; none is fetched twice until then."""
        if self.is_local:
            return list(paths)
        if missing := [path for path in paths if path not in self._fetched]:
            self.spill.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix="raw-", dir=self.spill)
            self._folders.append(folder)
            places = [str(Path(folder.name) / posixpath.basename(path)) for path in missing]
            self.filesystem.get(missing, places)
            self._fetched |= dict(zip(missing, places, strict=True))
        return [self._fetched[path] for path in paths]


def _has_table(con: duckdb.DuckDBPyConnection, schema: str, table: str, database: str | None = None) -> bool:
    in_database = literal(database) if database else "current_database()"
    found = scalar(
        con,
        f"select 1 from duckdb_tables() where database_name = {in_database}"
        f" and schema_name = {literal(schema)} and table_name = {literal(table)}",
    )
    return found is not None
