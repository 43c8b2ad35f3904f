"""What a kill, a full disk or a loss of power left behind in folders of dlt's, and how it is cleared away."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

import orjson
from dlt.destinations.impl.filesystem.filesystem import INIT_FILE_NAME

from pipelines.settings import UsageError

# How a file of Parquet ends.
_PARQUET: Final = b"PAR1"
_COPIES: Final = ("_dlt_version", "_dlt_pipeline_state")
# How dlt calls a file of its working directory before it is whole.
_DRAFT: Final = "[0-9a-f]" * 16

_LOG = logging.getLogger(__name__)


def clear_books(working_dir: Path, *, dry_run: bool) -> None:
    """Remove of dlt's own state and schemas what was cut short, before a pipeline reads them; it makes them anew.

    Raises:
        UsageError: there is something to remove, and this run may not.
    """
    # A draft beside the schemas passes for one.
    drafts = [*working_dir.glob(_DRAFT), *working_dir.glob(f"schemas/{_DRAFT}")]
    marks = [mark for mark in working_dir.glob("*/.version") if not mark.stat().st_size]
    books = [*working_dir.glob("state.json"), *working_dir.glob("schemas/*.json")]
    is_torn = not all(map(_is_json, books))
    if dry_run:
        if drafts or marks or is_torn:
            raise UsageError(
                f"files of dlt's in {working_dir} were cut short: a run without --dry-run mends them first."
            )
        return
    for path in (*drafts, *marks):
        path.unlink()
    grave = working_dir.with_name(f"{working_dir.name}.dropped")
    if grave.exists():
        shutil.rmtree(grave)
    if is_torn:
        _drop(working_dir, grave)


def drop_torn_packages(working_dir: Path) -> None:
    """Remove packages that wait and were cut short: no later run could load them."""
    for package in (*working_dir.glob("normalize/extracted/*"), *working_dir.glob("load/normalized/*")):
        files = (path for path in package.rglob("*") if path.suffix in (".json", ".parquet"))
        if not all(_is_json(path) if path.suffix == ".json" else _is_parquet(path) for path in files):
            # Where nobody looks for packages, and what lies there is cleared away.
            _drop(package, working_dir / "normalize" / f"dropped-{package.name}")


def clear_unfinished(working_dir: Path) -> None:
    """Remove what was being written when a run ended; for when no package waits to be loaded."""
    for pattern in ("normalize/[!.]*", "load/new/*", "load/normalized/*"):
        for path in working_dir.glob(pattern):
            if path.is_file():
                path.unlink()
            elif path.name != "extracted":
                shutil.rmtree(path)


def clear_copies(raw: Path) -> None:
    """Remove dlt's copies of schema and state in raw that cannot be read; the next load writes them again."""
    for table in _COPIES:
        for path in (raw / table).glob("*.jsonl"):
            if not _is_json(path):
                path.unlink()
    init = raw / INIT_FILE_NAME
    if raw.is_dir() and not (init.exists() and _is_json(init)):
        # Without it dlt would make the folder, which is there. Of an empty one it knows that it was written long ago.
        init.write_bytes(b"")


def _drop(folder: Path, grave: Path) -> None:
    """Remove what a loss of power cut short, with what it had to load: that moved no cursor, and is read again.

    In one step: of half a package, the other half would be loaded.
    """
    _LOG.warning("%s was cut short, most likely by a loss of power: what it had to load is read again", folder)
    folder.rename(grave)
    shutil.rmtree(grave)


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
