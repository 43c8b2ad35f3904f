"""The destination: a dlt pipeline into it, and the raw store that reads it back."""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import dlt
import fsspec
import orjson
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.filesystem.filesystem import INIT_FILE_NAME, FilesystemClient

from pipelines.settings import NothingLoaded, Settings, UsageError
from sources.runai import empty_tables
from sources.runai.schemas import TABLES
from transforms import DuckDBRaw, Layout, ParquetRaw, RawStore
from transforms.layout import sync

PIPELINE: Final = "runai_pods"
DATASET: Final = "raw"
# What correctness rests on, whatever the user's config.toml says: rows count by their load id, a load that can never
# succeed must not block every later one, and the reader of Parquet finds files by the load id in front of their names.
_FIXED: Final = {
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
    "LOAD__AUTO_ABORT_ON_TERMINAL_ERROR": "true",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}
_PACKAGES_KEPT: Final = 3
# How a file of Parquet ends.
_PARQUET: Final = b"PAR1"
_BOOKS: Final = ("_dlt_version", "_dlt_pipeline_state")
# How dlt calls a file of its working directory before it is whole.
_DRAFT: Final = "[0-9a-f]" * 16
_FILE_LAYOUT: Final = "{table_name}/{load_id}.{file_id}.{ext}"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seconds:
    """How long a load took: reading the API, and everything after."""

    extract: float
    normalize_and_load: float


class Warehouse:
    """Raw tables in the chosen destination, written by dlt alone; whoever makes one holds the lock."""

    def __init__(self, settings: Settings) -> None:
        os.environ.update(_FIXED)
        self._layout = Layout(settings.data_dir)
        self._destination = settings.destination
        # One working directory per place: packages that a run left behind belong where that run was to load them.
        pipelines_dir = settings.dlt_dir / self._place()
        _remove_cut_short(pipelines_dir / PIPELINE, dry_run=settings.dry_run)
        self._pipeline = dlt.pipeline(
            PIPELINE,
            destination=self._dlt_destination(),
            dataset_name=DATASET,
            pipelines_dir=str(pipelines_dir),
        )

    @property
    def has_pending(self) -> bool:
        """Whether an earlier run left load packages behind."""
        return bool(self._pipeline.has_pending_data)

    def loaded_packages(self, *, keep: int = 0) -> list[Path]:
        """What dlt notes of packages that are loaded, all but the newest; nothing reads it, and a run adds three."""
        found = (Path(self._pipeline.working_dir) / "load" / "loaded").glob("*")
        return sorted(found, key=lambda path: path.name)[: -keep or None]

    def drain(self) -> int:
        """Load packages that an earlier run left behind; return how many. What is torn goes first."""
        self._remove_torn()
        _drop_torn_packages(Path(self._pipeline.working_dir))
        drained = 0
        while self._pipeline.has_pending_data:
            info = self._pipeline.run()
            if info is None:
                break
            drained += len(info.loads_ids)
            self._sync(info.loads_ids)
        else:
            self._forget_cut_short()
        return drained

    def _remove_torn(self) -> None:
        """Remove what a kill or a full disk kept from being written whole: a load would stumble over it."""
        raw = self.raw()
        if isinstance(raw, DuckDBRaw) and raw.is_unborn:
            raw.path.unlink()
        # A bucket has a file as a whole or not at all.
        if isinstance(raw, ParquetRaw) and raw.is_local:
            _remove_torn_books(Path(raw.dataset_path))

    def _forget_cut_short(self) -> None:
        """Remove what was being written when a run was killed or the disk was full; nothing waits to be loaded."""
        for pattern in ("normalize/[!.]*", "load/new/*", "load/normalized/*"):
            for path in Path(self._pipeline.working_dir).glob(pattern):
                if path.is_file():
                    path.unlink()
                elif path.name != "extracted":
                    shutil.rmtree(path)

    def load(self, resources: list[Any]) -> Seconds:
        """Extract, normalise and load resources in one package; return how long it took.

        Raises:
            PipelineStepFailed: a step failed; nothing of the package counts unless its load is committed.
        """
        began = time.perf_counter()
        # Of a load that failed in the same run, most likely: with it waiting, dlt would load it and leave these aside.
        self.drain()
        info = self._pipeline.run(resources, loader_file_format="parquet")
        info.raise_on_failed_jobs()
        self._sync(info.loads_ids)
        whole = time.perf_counter() - began
        for package in self.loaded_packages(keep=_PACKAGES_KEPT):
            shutil.rmtree(package)
        trace = self._pipeline.last_trace
        steps = [step for step in (trace.steps if trace else ()) if step.step == "extract"]
        reading = sum((step.finished_at - step.started_at).total_seconds() for step in steps)
        return Seconds(reading, whole - reading)

    def _sync(self, loads: list[str]) -> None:
        """Have the disk hold these loads before anything is published of them; DuckDB does it by itself."""
        raw = self.raw()
        if not isinstance(raw, ParquetRaw) or not raw.is_local:
            return
        folder = Path(raw.dataset_path)
        files = [path for load in loads for path in (*folder.glob(f"*/{load}.*"), *folder.glob(f"*/*__{load}.jsonl"))]
        for path in (*files, *{path.parent for path in files}, folder):
            sync(path)

    def missing_tables(self, *, is_new: bool) -> list[Any]:
        """Return a resource that creates the raw tables which do not exist yet, if any; all of them in a new one."""
        exist = self._pipeline.default_schema.tables if self._pipeline.schema_names and not is_new else ()
        lacking = [name for name in TABLES if name not in exist]
        return [dlt.resource(empty_tables(lacking), name="empty_tables", write_disposition="append")] if lacking else []

    def raw(self) -> RawStore:
        """The raw tables, for reading."""
        if self._destination == "duckdb":
            return DuckDBRaw(self._layout.warehouse, DATASET)
        client = self._pipeline.destination_client()
        if not isinstance(client, FilesystemClient):
            msg = f"{type(client).__name__} is no filesystem"
            raise TypeError(msg)
        return ParquetRaw(client.fs_client, client.dataset_path)

    def loaded(self) -> RawStore:
        """The raw tables, for what is to be made of them alone.

        Raises:
            NothingLoaded: no load is committed there, so that all that would be made of them is empty.
        """
        raw = self.raw()
        if not raw.committed_loads():
            raise NothingLoaded(self._layout.warehouse if self._destination == "duckdb" else self._bucket())
        return raw

    def _dlt_destination(self) -> Any:
        if self._destination == "duckdb":
            # Raw rows say in which order they were read: to keep them in it cost a third of loading samples.
            return dlt.destinations.duckdb(
                DuckDbCredentials(str(self._layout.warehouse), global_config={"preserve_insertion_order": False})
            )
        return dlt.destinations.filesystem(bucket_url=self._bucket(), layout=_FILE_LAYOUT)

    def _place(self) -> str:
        """A directory name for where the raw tables are, the same for every run that names the same place."""
        if self._destination == "duckdb":
            return self._destination
        return f"{self._destination}-{sha256(self._bucket().encode()).hexdigest()[:12]}"

    def _bucket(self) -> str:
        bucket = _configured("destination.filesystem.bucket_url")
        if bucket is None:
            return self._layout.raw_dir.as_uri()
        scheme = urlsplit(bucket).scheme
        if not scheme and not Path(bucket).expanduser().is_absolute():
            raise UsageError(
                f"bucket_url {bucket!r} is a relative path: give an absolute one, or a URL such as s3://…."
            )
        if scheme and scheme not in {*fsspec.available_protocols(), *FilesystemConfiguration.PROTOCOL_CREDENTIALS}:
            raise UsageError(f"bucket_url {bucket!r} is no place that is known: give a path, or a URL such as s3://….")
        return bucket


def _remove_cut_short(working_dir: Path, *, dry_run: bool) -> None:
    """Remove of dlt's own files what a kill, a full disk or a loss of power cut short; it makes them anew."""
    grave = working_dir.with_name(f"{working_dir.name}.dropped")
    if grave.exists() and not dry_run:
        shutil.rmtree(grave)
    # A draft beside the schemas passes for one.
    for draft in (*working_dir.glob(_DRAFT), *working_dir.glob(f"schemas/{_DRAFT}")):
        draft.unlink()
    for mark in working_dir.glob("*/.version"):
        if not mark.stat().st_size:
            mark.unlink()
    if not all(map(_is_json, (*working_dir.glob("state.json"), *working_dir.glob("schemas/*.json")))):
        if dry_run:
            raise UsageError(
                f"files of dlt's in {working_dir} were cut short: a run without --dry-run mends them first."
            )
        _drop(working_dir, grave)


def _drop_torn_packages(working_dir: Path) -> None:
    """Remove packages that wait and were cut short: no later run could load them."""
    for package in (*working_dir.glob("normalize/extracted/*"), *working_dir.glob("load/normalized/*")):
        files = (path for path in package.rglob("*") if path.suffix in (".json", ".parquet"))
        if not all(_is_json(path) if path.suffix == ".json" else _is_parquet(path) for path in files):
            # Where nobody looks for packages, and what lies there is cleared away.
            _drop(package, working_dir / "normalize" / f"dropped-{package.name}")


def _drop(folder: Path, grave: Path) -> None:
    """Remove what a loss of power cut short, with what it had to load: that moved no cursor, and is read again.

    In one step: of half a package, the other half would be loaded.
    """
    _LOG.warning("%s was cut short, most likely by a loss of power: what it had to load is read again", folder)
    folder.rename(grave)
    shutil.rmtree(grave)


def _remove_torn_books(folder: Path) -> None:
    """Remove dlt's copies of schema and state that cannot be read; the next load writes them again."""
    for table in _BOOKS:
        for path in (folder / table).glob("*.jsonl"):
            if not _is_json(path):
                path.unlink()
    init = folder / INIT_FILE_NAME
    if folder.is_dir() and not (init.exists() and _is_json(init)):
        # Without it dlt would make the folder, which is there. Of an empty one it knows that it was written long ago.
        init.write_bytes(b"")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_PARQUET)))
        return file.read() == _PARQUET


def _is_json(path: Path) -> bool:
    try:
        orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return False
    return True


def _configured(key: str) -> str | None:
    try:
        value = dlt.config.get(key, str)
    except ConfigFieldMissingException:
        return None
    return str(value) if value else None
