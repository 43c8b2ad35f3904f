"""Publishes a generation: a directory that never changes once `published` points to it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from transforms import models, partitions, series
from transforms.audit import Finding
from transforms.build import Build
from transforms.errors import PublicationStopped
from transforms.layout import PARQUET, Layout, sync
from transforms.refresh import BuildReport

DATABASE = "runai.duckdb"
MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"
_KEPT = timedelta(hours=24)
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z-\d+")


@dataclass(frozen=True)
class Generation:
    """A published directory with `runai.duckdb`, `parquet/` and `manifest.json`, and the audit's warnings."""

    path: Path
    as_of: datetime | None
    warnings: list[Finding]


def publish(
    layout: Layout, build: Build, report: BuildReport, findings: Sequence[Finding], version: str = ""
) -> Generation:
    """Write a generation and point `published` at it, atomically; a kill at any moment leaves the one before.

    Raises PublicationStopped where the audit found an error. Old generations that nobody should read any more go.
    """
    if errors := [finding for finding in findings if finding.severity == "error"]:
        raise PublicationStopped(errors)
    layout.generations.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(layout)
    name = _next_name(layout)
    unfinished = layout.generations / f"{_UNFINISHED}{name}"
    try:
        unfinished.mkdir()
        partitions.write(build.connection, unfinished / PARQUET, _before(layout, build))
        series.link(build.connection, layout.series, unfinished / PARQUET)
        build.copy_marts(unfinished / DATABASE)
        _show_series(unfinished, layout.generations / name)
        _write_manifest(unfinished, report, findings, version)
        _sync(unfinished)
        unfinished.rename(layout.generations / name)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _point(layout, layout.generations / name)
    build.note_published(name)
    prune_generations(layout)
    return Generation(layout.generations / name, report.as_of, list(findings))


def _show_series(unfinished: Path, final: Path) -> None:
    """Add the views on files to the database, by the path that the files will have.

    A view looks at its files when it is created, so the unfinished directory answers to its final name for a moment.
    """
    final.symlink_to(unfinished.name, target_is_directory=True)
    try:
        with duckdb.connect(str(unfinished / DATABASE)) as con:
            series.show(con, final)
    finally:
        final.unlink()


def current(layout: Layout) -> Path | None:
    """Return the directory of the generation that `published` points to, None before the first one."""
    return layout.published.resolve() if layout.published.exists() else None


def prune_generations(layout: Layout, keep_for: timedelta = _KEPT, now: datetime | None = None) -> list[Path]:
    """Remove what a killed publication left and generations replaced longer ago than `keep_for`; return them."""
    kept_since = (now or datetime.now(UTC)) - keep_for
    # A generation was still being read when its successor appeared, so its successor's age counts.
    removed = [
        path
        for path, successor in pairwise(_generations(layout))
        if path != current(layout) and _published_at(successor) < kept_since
    ]
    for path in removed:
        shutil.rmtree(path)
    return removed + _remove_unfinished(layout)


def _generations(layout: Layout) -> list[Path]:
    """Return what was published, in order; whatever else lies beside it is not ours."""
    found = (path for path in layout.generations.iterdir() if _NAME.fullmatch(path.name))
    # By number, which goes up although a clock may go back.
    return sorted(found, key=_number)


def _number(generation: Path) -> int:
    return int(generation.name.rpartition("-")[2])


def _remove_unfinished(layout: Layout) -> list[Path]:
    removed = list(layout.generations.glob(f"{_UNFINISHED}*"))
    for path in removed:
        shutil.rmtree(path)
    return removed


def _published_at(generation: Path) -> datetime:
    return datetime.strptime(generation.name.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def _next_name(layout: Layout) -> str:
    """Return `<UTC stamp>-<n>`, later in order than every generation that is there."""
    number = max(map(_number, _generations(layout)), default=0) + 1
    return f"{datetime.now(UTC).strftime(_STAMP)}-{number:06d}"


def _before(layout: Layout, build: Build) -> Path | None:
    """Return the Parquet folder whose difference to the marts the build database has kept books of."""
    path = current(layout)
    return path / PARQUET if path is not None and path.name == build.published_generation() else None


def _write_manifest(folder: Path, report: BuildReport, warnings: Sequence[Finding], version: str) -> None:
    manifest: dict[str, Any] = {
        "version": version,
        "as_of": report.as_of.isoformat() if report.as_of else None,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tables": {
            model.name: {
                "rows": report.rows[model.name],
                "grain": model.grain,
                "columns": {column.name: column.type for column in model.columns},
            }
            for model in (*models.marts(), *models.series())
        },
        "warnings": [asdict(warning) for warning in warnings],
        "files": {
            file.relative_to(folder).as_posix(): file.stat().st_size
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, default=str) + "\n", encoding="utf-8")


def _sync(folder: Path) -> None:
    """Have the disk hold every new file before anything points to it; links were synced when they were written."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() or path.stat().st_nlink == 1:
            sync(path)


def _point(layout: Layout, generation: Path) -> None:
    """Replace the symlink in one step; its target is relative, so that the data directory may move."""
    link = layout.data_dir / ".published.new"
    link.unlink(missing_ok=True)
    link.symlink_to(generation.relative_to(layout.data_dir), target_is_directory=True)
    link.replace(layout.published)
    sync(layout.generations)
    sync(layout.data_dir)
