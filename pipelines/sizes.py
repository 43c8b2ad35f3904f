"""How much of the disk the data directory takes: a file that generations share counts once."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Sizes:
    """Bytes on the disk: raw tables, the published generation, and everything else; a bucket is not among them.

    `generations` is the part of `state` that those published before have for themselves.
    """

    raw: int
    published: int
    state: int
    generations: int

    @property
    def total(self) -> int:
        """All of the data directory."""
        return self.raw + self.published + self.state

    def __str__(self) -> str:
        parts = {"raw": self.raw, "published": self.published, "state": self.state}
        return f"{in_bytes(self.total)}: {', '.join(f'{name} {in_bytes(size)}' for name, size in parts.items())}"


def sizes(data_dir: Path) -> Sizes:
    """What the data directory takes; what two parts share counts for the first of raw, published, the rest."""
    seen: set[tuple[int, int]] = set()
    state = data_dir / "state"
    raw = _size([data_dir / "warehouse.duckdb", data_dir / "raw"], seen)
    published = _size([(data_dir / "published").resolve()], seen)
    # Last: of days that `series` has too, they take nothing.
    rest = _size([data_dir], seen, [state / "generations"])
    generations = _size([state / "generations"], seen)
    return Sizes(raw, published, rest + generations, generations)


def size_without(data_dir: Path, gone: Collection[Path] = ()) -> int:
    """What the data directory would take without these files and folders."""
    return _size([data_dir], set(), gone)


def in_bytes(size: float) -> str:
    """A size as somebody would say it, such as `80 MB`."""
    for unit in _UNITS:
        if size < 999.5 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.1f} {unit}" if size < 9.95 and unit != "B" else f"{size:.0f} {unit}"


def _size(paths: Iterable[Path], seen: set[tuple[int, int]], gone: Collection[Path] = ()) -> int:
    # A year of generations is a hundred thousand names: a look at each, and no object of pathlib's.
    total, waiting, left_out = 0, [os.fspath(path) for path in paths], {os.fspath(path) for path in gone}
    while waiting:
        path = waiting.pop()
        if path in left_out:
            continue
        try:
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                continue
            if stat.S_ISDIR(found.st_mode):
                waiting += [f"{path}/{name}" for name in os.listdir(path)]  # noqa: PTH208 - see above
        except FileNotFoundError:
            # A run that is at work removes what it no longer needs.
            continue
        if (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
    return total
