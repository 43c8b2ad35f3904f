"""Publishes a generation: a directory whose tables never change once `published` points to it.

Only its report may be written again, from these same tables, for the page that shows them may have become a better one.
"""

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

from transforms import models, partitions, report, series
from transforms.audit import Finding
from transforms.build import Build
from transforms.database import with_room
from transforms.errors import PublicationStopped, ReportFailed, RunsForgotten
from transforms.layout import PARQUET, Layout, remove, sync
from transforms.refresh import BuildReport

DATABASE = "runai.duckdb"
MANIFEST = "manifest.json"
REPORT = "report.html"
_UNFINISHED = ".unfinished-"
_NO_CHARTS = "report_without_charts"
_KEPT = timedelta(hours=24)
_KEPT_ON_A_SMALL_DISK = timedelta(hours=2)
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z-\d+")


@dataclass(frozen=True)
class Generation:
    """A published directory with `runai.duckdb`, `parquet/`, `report.html`, `manifest.json`, and audit warnings."""

    path: Path
    as_of: datetime | None
    warnings: list[Finding]


def publish(
    layout: Layout, build: Build, built: BuildReport, findings: Sequence[Finding], version: str = ""
) -> Generation:
    """Write a generation and point `published` at it, atomically; a kill at any moment leaves the one before.

    Where charts cannot be drawn, its report has none, and a warning more says so: no table waits for a picture.

    Raises PublicationStopped where the audit found an error, and RunsForgotten where the one before knows runs that raw
    does not. Old generations that nobody should read any more go.
    """
    if errors := [finding for finding in findings if finding.severity == "error"]:
        raise PublicationStopped(errors)
    require_published_runs(layout, build)
    layout.generations.mkdir(parents=True, exist_ok=True)
    for left in _unfinished(layout):
        remove(left)
    name = _next_name(layout)
    unfinished = layout.generations / f"{_UNFINISHED}{name}"
    try:
        unfinished.mkdir()
        before = _before(layout, build)
        with_room(build.connection, lambda: partitions.write(build.connection, unfinished / PARQUET, before))
        series.link(build.connection, layout.series, unfinished / PARQUET)
        build.copy_marts(unfinished / DATABASE)
        _show_series(unfinished, layout.generations / name)
        manifest = _manifest(build, built, findings, version)
        warnings = [*findings, *_write_report(unfinished, manifest)]
        manifest["files"] = _files(unfinished)
        (unfinished / MANIFEST).write_bytes(_as_json(manifest))
        _sync(unfinished)
        unfinished.rename(layout.generations / name)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _point(layout, layout.generations / name)
    build.note_published(name)
    prune_generations(layout)
    return Generation(layout.generations / name, built.as_of, warnings)


def require_published_runs(layout: Layout, build: Build) -> None:
    """Raise RunsForgotten where runs are published that raw does not know: another raw would take their place."""
    published = _published_runs(layout)
    raw = {run for (run,) in build.connection.execute("select distinct run_id from build.main.raw_runs").fetchall()}
    if forgotten := published - raw:
        raise RunsForgotten(
            f"raw does not know {len(forgotten):,} of the {len(published):,} runs that are published: give the "
            "--destination, or the bucket_url, that these were loaded into; where this raw is all that is left, remove "
            f"{layout.published} and run again"
        )


def _published_runs(layout: Layout) -> set[str]:
    """Return the ids of the runs that are published; none where what is published cannot be read."""
    folder = current(layout)
    if folder is None:
        return set()
    try:
        with duckdb.connect(str(folder / DATABASE), read_only=True) as con:
            return {run for (run,) in con.execute("select run_id from runs").fetchall()}
    except duckdb.Error:
        return set()


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


def renew_report(layout: Layout) -> Path:
    """Write the report of the published generation again, from its tables; return where it is.

    Raises ReportFailed where nothing was published yet, or by a version that knew no reports, and where charts cannot
    be drawn.
    """
    folder = current(layout)
    if folder is None:
        raise ReportFailed(f"nothing was ever published in {layout.data_dir}: start with a run")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise ReportFailed(f"{folder / MANIFEST} is damaged: rebuild, or run, first") from error
    if "warnings" not in manifest:
        raise ReportFailed("what is published comes from a version that knew no reports: rebuild, or run, first")
    manifest["warnings"] = [warning for warning in manifest["warnings"] if warning["name"] != _NO_CHARTS]
    content = _render(folder, manifest)
    _replace(folder / REPORT, content)
    manifest["files"][REPORT] = len(content)
    _replace(folder / MANIFEST, _as_json(manifest))
    return layout.published / REPORT


def prune_generations(layout: Layout, keep_for: timedelta = _KEPT, now: datetime | None = None) -> list[Path]:
    """Remove what `old_generations` finds; return it."""
    removed = old_generations(layout, keep_for, now)
    for path in removed:
        remove(path)
    return removed


def old_generations(layout: Layout, keep_for: timedelta = _KEPT, now: datetime | None = None) -> list[Path]:
    """Return what a killed publication left and generations replaced longer ago than `keep_for`.

    As long as replaced ones take more than is free on the disk, those replaced longest ago are old sooner, though none
    before two hours: the next generations need room, and so does everybody else on that disk.
    """
    if not layout.generations.exists():
        return []
    now, shown = now or datetime.now(UTC), current(layout)
    # A generation was still being read when its successor appeared, so its successor's age counts.
    replaced = {
        path: now - _published_at(successor) for path, successor in pairwise(generations(layout)) if path != shown
    }
    taken, free = sum(map(_bytes, replaced)), shutil.disk_usage(layout.generations).free
    old = []
    for path, age in replaced.items():
        if age > keep_for or (age > _KEPT_ON_A_SMALL_DISK and taken > free):
            old.append(path)
            taken, free = taken - _bytes(path), free + _bytes(path)
    return [*old, *_unfinished(layout)]


def generations(layout: Layout) -> list[Path]:
    """Return what was published, in order; whatever else lies beside it is not ours."""
    if not layout.generations.exists():
        return []
    found = (path for path in layout.generations.iterdir() if _is_name(path.name) and not path.is_symlink())
    # By number, which goes up although a clock may go back.
    return sorted(found, key=_number)


def _bytes(generation: Path) -> int:
    """Return the size of its database: nearly all that it shares with no other, and quickly known."""
    database = generation / DATABASE
    return database.stat().st_size if database.exists() else 0


def _is_name(name: str) -> bool:
    try:
        return _NAME.fullmatch(name) is not None and datetime.strptime(name.partition("-")[0], _STAMP) is not None  # noqa: DTZ007 - it is only looked at
    except ValueError:
        return False


def _number(generation: Path) -> int:
    return int(generation.name.rpartition("-")[2])


def _unfinished(layout: Layout) -> list[Path]:
    """Return what a killed publication left: its directory, and its name where that was only lent."""
    links = (path for path in layout.generations.iterdir() if _is_name(path.name) and path.is_symlink())
    lent = (link for link in links if link.readlink().name.startswith(_UNFINISHED))
    return [*layout.generations.glob(f"{_UNFINISHED}*"), *lent]


def _published_at(generation: Path) -> datetime:
    return datetime.strptime(generation.name.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def _next_name(layout: Layout) -> str:
    """Return `<UTC stamp>-<n>`, later in order than every generation that is there."""
    number = max(map(_number, generations(layout)), default=0) + 1
    return f"{datetime.now(UTC).strftime(_STAMP)}-{number:06d}"


def _before(layout: Layout, build: Build) -> Path | None:
    """Return the Parquet folder whose difference to the marts the build database has kept books of."""
    path = current(layout)
    return path / PARQUET if path is not None and path.name == build.published_generation() else None


def _manifest(build: Build, built: BuildReport, findings: Sequence[Finding], version: str) -> dict[str, Any]:
    """Return what the generation is, all but its files."""
    return {
        "version": version,
        "as_of": built.as_of.isoformat() if built.as_of else None,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "time_zone": build.time_zone,
        "warnings": [asdict(finding) for finding in findings],
        "tables": {
            model.name: {
                "rows": built.rows[model.name],
                "grain": model.grain,
                "columns": {column.name: column.type for column in model.columns},
            }
            for model in (*models.marts(), *models.series())
        },
    }


def _files(folder: Path) -> dict[str, int]:
    return {
        file.relative_to(folder).as_posix(): file.stat().st_size for file in sorted(folder.rglob("*")) if file.is_file()
    }


def _as_json(manifest: dict[str, Any]) -> bytes:
    return f"{json.dumps(manifest, indent=2, default=str)}\n".encode()


def _write_report(folder: Path, manifest: dict[str, Any]) -> list[Finding]:
    """Write the report, if need be without charts; return what the manifest and the page warn of then."""
    warnings = []
    try:
        content = _render(folder, manifest)
    except ReportFailed as error:
        warnings = [Finding(_NO_CHARTS, "warn", f"{error}; the report has its tables alone", 1, [])]
        manifest["warnings"] += map(asdict, warnings)
        content = _render(folder, manifest, with_charts=False)
    (folder / REPORT).write_bytes(content)
    return warnings


def _render(folder: Path, manifest: dict[str, Any], *, with_charts: bool = True) -> bytes:
    with duckdb.connect(str(folder / DATABASE), read_only=True) as con:
        return report.render(con, manifest, with_charts=with_charts).encode()


def _replace(path: Path, content: bytes) -> None:
    """Replace a file in one step: whoever has it open keeps reading what they opened."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    sync(new)
    new.replace(path)
    sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the disk hold every new file before anything points to it; links were synced when they were written."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() or path.stat().st_nlink == 1:
            sync(path)


def _point(layout: Layout, generation: Path) -> None:
    """Replace the symlink in one step; its target is relative, so that the data directory may move."""
    # Its name first: a link that is on the disk must lead somewhere.
    sync(layout.generations)
    link = layout.data_dir / ".published.new"
    link.unlink(missing_ok=True)
    link.symlink_to(generation.relative_to(layout.data_dir), target_is_directory=True)
    link.replace(layout.published)
    sync(layout.data_dir)
