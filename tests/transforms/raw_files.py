"""Raw tables as dlt leaves them on either destination, written by hand: whole, repeated, torn or never committed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from sources.runai.schemas import TABLES
from transforms import DuckDBRaw, MetricType, ParquetRaw, RawStore

Row = dict[str, Any]
START = datetime(2026, 7, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after the noon on which every test's world begins."""
    return START + timedelta(minutes=minutes)


def pod(pod_id: str = "pod-1", observed: float = 0, **fields: Any) -> Row:
    """A version of a pod as a raw row; nested parts are given as Python values."""
    row = {
        "id": pod_id,
        "name": f"{pod_id}-name",
        "workload_id": "workload-1",
        "k8s_phase": "Running",
        "created_at": at(-60),
        "is_deleted": False,
        "content_hash": "",
        "found_by": "open",
        "observed_at": at(observed),
    } | fields
    nested = {name: json.dumps(value) for name, value in row.items() if isinstance(value, dict | list)}
    row |= nested
    row["content_hash"] = row["content_hash"] or str(hash(json.dumps(row, default=str, sort_keys=True)))
    return row


def absence(pod_id: str = "pod-1", observed: float = 0, **fields: Any) -> Row:
    looked = {"as_of": at(observed), "looked_by": "workload", "outcome": "not_listed", "observed_at": at(observed)}
    return {"pod_id": pod_id} | looked | fields


def run(finished: float = 0, **fields: Any) -> Row:
    counters = dict.fromkeys(
        ("requests", "retries", "pods_read", "pods_changed", "samples_read", "windows_failed", "rejects"), 0
    )
    return {
        "run_id": f"run-{finished}",
        "started_at": at(finished - 1),
        "finished_at": at(finished),
        "as_of": at(finished),
        "outcome": "loaded",
        "open_set_read_at": at(finished),
        "version": "0.0.0",
        "arguments": "{}",
        "read_seconds": 0.0,
        "load_seconds": 0.0,
        "observed_at": at(finished),
        **counters,
        **fields,
    }


def metric_type(name: str, *, needs_gpu: bool = False) -> MetricType:
    """A metric type of which little is known."""
    return MetricType(
        name, "", per_gpu=False, needs_gpu=needs_gpu, is_advanced=False, since_version="", kind="", meaning=""
    )


def arrow(table: str, load_id: str, rows: Sequence[Row]) -> pa.Table:
    """Rows of one load as dlt would hand them over, numbered in order."""
    numbered = [{"read_index": index} | row for index, row in enumerate(rows)]
    data = pa.Table.from_pylist(numbered, schema=TABLES[table])
    return data.append_column(pa.field("_dlt_load_id", pa.string()), pa.array([load_id] * len(rows), pa.string()))


class RawFiles(Protocol):
    """One destination's files, to be written by a test and read by the code under test."""

    store: RawStore

    def __init__(self, folder: Path) -> None: ...

    def load(self, load_id: str, *, committed: bool = True, copies: int = 1, **tables: Sequence[Row]) -> None:
        """Append the tables' rows, each so many times, and maybe commit the load."""
        ...

    def write(self, table: str, load_id: str, data: pa.Table) -> None:
        """Append data of any schema."""
        ...

    def forget(self, load_id: str) -> None:
        """Take the load out of the ledger."""
        ...


class DuckDBFiles:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "warehouse.duckdb"
        self.store: RawStore = DuckDBRaw(self.path)

    def load(self, load_id: str, *, committed: bool = True, copies: int = 1, **tables: Sequence[Row]) -> None:
        with self._schema() as con:
            con.execute("create table if not exists raw._dlt_loads (schema_name text, load_id text, status bigint)")
            for table in TABLES:
                for _ in range(copies):
                    _append(con, table, arrow(table, load_id, tables.get(table, ())))
            con.execute(f"insert into raw._dlt_loads values ('runai', '{load_id}', {0 if committed else 1})")

    def write(self, table: str, load_id: str, data: pa.Table) -> None:  # noqa: ARG002
        with self._schema() as con:
            _append(con, table, data)

    def forget(self, load_id: str) -> None:
        with self._schema() as con:
            con.execute(f"delete from raw._dlt_loads where load_id = '{load_id}'")

    def _schema(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(self.path)
        con.execute("create schema if not exists raw")
        return con


def _append(con: duckdb.DuckDBPyConnection, table: str, data: pa.Table) -> None:
    con.register("data", data)
    con.execute(f"create table if not exists raw.{table} as from data limit 0")
    if data.num_rows:
        con.execute(f"insert into raw.{table} by name from data")


class ParquetFiles:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "raw" / "raw"
        self.store: RawStore = ParquetRaw(LocalFileSystem(), str(self.path), folder / "spill")

    def load(self, load_id: str, *, committed: bool = True, copies: int = 1, **tables: Sequence[Row]) -> None:
        for table in TABLES:
            for _ in range(copies):
                self.write(table, load_id, arrow(table, load_id, tables.get(table, ())))
        if committed:
            self._ledger(load_id).parent.mkdir(exist_ok=True)
            self._ledger(load_id).write_text(json.dumps({"load_id": load_id, "status": 0}))
        else:
            # What a kill in the middle of an upload leaves behind.
            (self.path / "pods" / f"{load_id}.torn.parquet").write_bytes(b"PAR1torn")

    def write(self, table: str, load_id: str, data: pa.Table) -> None:
        folder = self.path / table
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(data, folder / f"{load_id}.{len(list(folder.iterdir())):010x}.parquet")

    def forget(self, load_id: str) -> None:
        self._ledger(load_id).unlink()

    def _ledger(self, load_id: str) -> Path:
        return self.path / "_dlt_loads" / f"runai__{load_id}.jsonl"


class Bucket(MemoryFileSystem):  # type: ignore[misc]
    """A bucket of its own that sees where its files are copied to, and which copies lie there at once."""

    def __init__(self, raw: Path) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.put(str(raw), "/bucket/raw", recursive=True)
        self.copies: dict[Path, str] = {}
        self.at_once: list[list[str]] = []

    def get_file(self, rpath: str, lpath: str, *args: Any, **kwargs: Any) -> None:
        super().get_file(rpath, lpath, *args, **kwargs)
        self.copies[Path(lpath)] = rpath
        self.at_once.append([source for copy, source in self.copies.items() if copy.exists()])

    def tables_at_once(self) -> set[frozenset[str]]:
        """Of which tables there were copies at the same time."""
        return {frozenset(path.split("/")[-2] for path in paths) for paths in self.at_once}
