"""`prune`: gives back the space of what nobody needs any more, and never that of the last copy of anything."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.text import Text

from pipelines.lock import Lock
from pipelines.screen import facts, show
from pipelines.settings import Settings, UsageError
from pipelines.sizes import in_bytes, size_without, sizes
from pipelines.warehouse import Warehouse
from transforms import Layout, Pruned, old_generations, prune_raw
from transforms.layout import remove

_YOUNG_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class Spared:
    """What was removed, or would be: rows of raw, generations, other leavings; `freed` is all of it, in bytes."""

    raw: Pruned
    drained_loads: int
    generations: int
    leavings: int
    freed: int


def prune(settings: Settings) -> Spared:
    """Remove what does not count of raw, old generations, and what dlt and killed processes left.

    Raises:
        LockHeld: a run works on this data directory.
        NothingLoaded: no load is committed at this destination.
        PruneRefused: a copy of raw was not equal to it; raw is as it was.
        UsageError: a dry run found packages that would have to be loaded first.
    """
    layout = Layout(settings.data_dir)
    with Lock(layout.state):
        # What needs no copy goes first: on a full disk, this makes the room for the rest.
        if not settings.dry_run:
            shutil.rmtree(layout.spill, ignore_errors=True)
        generations, drafts = old_generations(layout), _drafts(layout)
        gone = [*generations, *drafts]
        freed = size_without(settings.data_dir) - size_without(settings.data_dir, gone)
        _remove(gone, dry_run=settings.dry_run)
        try:
            spared = _spare_raw(settings, layout)
        except Exception:
            if freed and not settings.dry_run:
                print(f"freed before it failed: {in_bytes(freed)}", file=sys.stderr)
            raise
    leavings, freed = spared.leavings + len(drafts), spared.freed + freed
    return replace(spared, generations=len(generations), leavings=leavings, freed=freed)


def _spare_raw(settings: Settings, layout: Layout) -> Spared:
    warehouse = Warehouse(settings)
    if settings.dry_run and warehouse.has_pending:
        raise UsageError("a run was cut off, and its load packages wait: prune without --dry-run loads them first.")
    # Packages that wait have rows whose load is not committed yet: these must not be taken for dead ones.
    drained = 0 if settings.dry_run else warehouse.drain()
    packages = warehouse.loaded_packages()
    freed = sum(map(size_without, packages))
    _remove(packages, dry_run=settings.dry_run)
    raw = prune_raw(warehouse.loaded(), layout.spill, dry_run=settings.dry_run)
    return Spared(raw, drained, 0, len(packages), raw.freed + freed)


def show_spared(spared: Spared, settings: Settings) -> None:
    """Print what was removed and what it freed."""
    raw = spared.raw
    told = "would be freed; nothing was removed" if settings.dry_run else "freed"
    parts = {"rows of dead loads": raw.dead, "repeats": raw.repeats, "files merged or removed": raw.files}
    removed = ", ".join(f"{number:,} {name}" for name, number in parts.items() if number)
    lines = [("raw", removed or "nothing to remove")]
    if raw.last_copies:
        lines.append(("kept", f"{raw.last_copies:,} rows of dead loads, for nothing that is committed holds the same"))
    if spared.drained_loads:
        lines.append(
            ("loaded", f"packages of a run that was cut off: {spared.drained_loads}; rebuild or run shows them")
        )
    lines += [("generations", f"{spared.generations:,} removed"), ("leavings", f"{spared.leavings:,} removed")]
    title = Text.assemble(("runai-pods", "bold green"), f"  pruned: {in_bytes(spared.freed)} {told}")
    show(title, Text(), facts([*lines, ("data", str(sizes(settings.data_dir)))]))


def _drafts(layout: Layout) -> list[Path]:
    """What was to replace a file when its process was killed; a young one may be being written outside the lock."""
    places = {layout.data_dir: ".published.new", layout.state: "*.new", layout.generations: "*/.*.new"}
    found = (path for folder, pattern in places.items() for path in folder.glob(pattern))
    return [path for path in found if time.time() - path.lstat().st_mtime > _YOUNG_SECONDS]


def _remove(paths: Iterable[Path], *, dry_run: bool) -> None:
    for path in () if dry_run else paths:
        remove(path)
