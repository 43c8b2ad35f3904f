"""Where everything lies below the data directory."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PARQUET: Final = "parquet"
"""Folder of a generation that holds a folder of Parquet per table."""


@dataclass(frozen=True)
class Layout:
    """Every path that the pipeline owns, derived from one directory."""

    data_dir: Path

    @property
    def warehouse(self) -> Path:
        """Raw tables of the `duckdb` destination."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def raw_dir(self) -> Path:
        """Bucket of the `filesystem` destination where none is configured."""
        return self.data_dir / "raw"

    @property
    def state(self) -> Path:
        """Everything that is private to the pipeline."""
        return self.data_dir / "state"

    @property
    def build(self) -> Path:
        """The build database: disposable, made again from raw at will."""
        return self.state / "build.duckdb"

    @property
    def marts(self) -> Path:
        """The working copy of what is published next."""
        return self.state / "marts.duckdb"

    @property
    def series(self) -> Path:
        """Samples by the day: the files that generations link to."""
        return self.state / "series"

    @property
    def spill(self) -> Path:
        """Where DuckDB puts what does not fit in its memory, and where files of raw lie that came from a bucket."""
        return self.state / "spill"

    @property
    def generations(self) -> Path:
        """One directory per publication."""
        return self.state / "generations"

    @property
    def published(self) -> Path:
        """Symlink to the current generation."""
        return self.data_dir / "published"


def link_or_copy(source: Path, link: Path) -> None:
    """Let a file be found under a second name."""
    try:
        os.link(source, link)
    except OSError:
        # Some file systems have no hard links.
        shutil.copyfile(source, link)


def remove(path: Path) -> None:
    """Remove a file, a directory with all that is in it, or a link and not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk hold a file, or the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
