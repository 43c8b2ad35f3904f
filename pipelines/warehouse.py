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
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient

from pipelines import leavings
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
_FILE_LAYOUT: Final = "{table_name}/{load_id}.{file_id}.{ext}"
_SCHEMES: Final = {*fsspec.available_protocols(), *FilesystemConfiguration.PROTOCOL_CREDENTIALS}


@dataclass(frozen=True)
class Seconds:
    """How long a load took: reading the API, and everything after."""

    extract: float
    normalize_and_load: float


class Warehouse:
    """Raw tables in the chosen destination, written by dlt alone; whoever makes one holds the lock."""

    def __init__(self, settings: Settings) -> None:
        os.environ.update(_FIXED)
        level = _configured("runtime.log_level")
        if level is not None and level not in logging.getLevelNamesMapping():
            raise UsageError(f"log_level {level!r} is no level: choose DEBUG, INFO, WARNING, ERROR or CRITICAL.")
        self._layout = Layout(settings.data_dir)
        self._destination = settings.destination
        # One working directory per place: packages that a run left behind belong where that run was to load them.
        pipelines_dir = settings.dlt_dir / self._place()
        leavings.clear_books(pipelines_dir / PIPELINE, dry_run=settings.dry_run)
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
        found = (self._working_dir / "load" / "loaded").glob("*")
        return sorted(found, key=lambda path: path.name)[: -keep or None]

    def drain(self) -> int:
        """Load packages that an earlier run left behind; return how many. What is torn goes first."""
        self._remove_torn()
        leavings.drop_torn_packages(self._working_dir)
        drained = 0
        while self._pipeline.has_pending_data:
            info = self._pipeline.run()
            if info is None:
                break
            drained += len(info.loads_ids)
            self._sync(info.loads_ids)
        else:
            leavings.clear_unfinished(self._working_dir)
        return drained

    @property
    def _working_dir(self) -> Path:
        return Path(self._pipeline.working_dir)

    def _remove_torn(self) -> None:
        """Remove what a kill or a full disk kept from being written whole: a load would stumble over it."""
        raw = self.raw()
        if isinstance(raw, DuckDBRaw) and raw.is_unborn:
            raw.path.unlink()
        # A bucket has a file as a whole or not at all.
        if isinstance(raw, ParquetRaw) and raw.is_local:
            leavings.clear_copies(Path(raw.dataset_path))

    def load(self, resources: list[Any]) -> Seconds:
        """Extract, normalise and load resources in one package; return how long it took.

        Raises:
            PipelineStepFailed: a step failed; nothing of the package counts unless its load is committed.
        """
        began = time.perf_counter()
        if self.has_pending:
            # Of a load that failed in the same run: with it waiting, dlt would load it and leave these aside.
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
        return ParquetRaw(client.fs_client, client.dataset_path, self._layout.spill)

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
        # No more of it is told than the scheme: some would put a password into it.
        try:
            url = urlsplit(bucket)
        except ValueError:
            raise UsageError("bucket_url is no URL: give an absolute path, or a URL such as s3://….") from None
        if url.password or (url.scheme and url.query):
            raise UsageError(
                "bucket_url has a password or a query in it: give credentials under "
                "[destination.filesystem.credentials]."
            )
        if not url.scheme and (url.netloc or not os.path.isabs(os.path.expanduser(bucket))):  # noqa: PTH111, PTH117
            raise UsageError("bucket_url is a relative path: give an absolute one, or a URL such as s3://….")
        if url.scheme and url.scheme not in _SCHEMES:
            raise UsageError(
                f"bucket_url begins with {url.scheme}:, which is no place that is known: give an absolute path, or a "
                "URL such as s3://…."
            )
        return bucket


def _configured(key: str) -> str | None:
    try:
        value = dlt.config.get(key, str)
    except ConfigFieldMissingException:
        return None
    return str(value) if value else None
