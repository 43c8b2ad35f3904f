"""Raw in Parquet: files of dead loads go, and the small files of many loads become one.

A merged file is complete under another name before it gets its own, in one step. From then on the reader passes over
the files that went into it, so that it makes no difference when these are removed.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import duckdb

from transforms.build import raw_tables
from transforms.database import connect
from transforms.layout import sync
from transforms.pruning.content import Pruned, content_of
from transforms.raw import ParquetRaw, RawFile, merged_name
from transforms.sql import count, literal, literals

SMALL: Final = 64 * 1024 * 1024
"""Files of so many bytes are never merged again: to add a day must not cost a rewrite of all days."""
GRACE_SECONDS: Final = 7 * 24 * 3600
"""In a bucket, a load that is not committed may be another machine's that will finish it."""
_DRAFT: Final = ".draft"


def prune_parquet(raw: ParquetRaw, scratch: Path, *, dry_run: bool = False) -> Pruned:
    """Remove dead files and merge small ones, table by table."""
    pruned = Pruned()
    scratch.mkdir(parents=True, exist_ok=True)
    committed = frozenset(raw.committed_loads())
    with connect(":memory:", spill=scratch) as con:
        con.execute("set preserve_insertion_order = false")
        for table in raw_tables():
            try:
                _Table(raw, table.removeprefix("raw_"), committed, con, scratch, pruned, dry_run).prune()
            finally:
                raw.remove_fetched()
    return pruned


@dataclass
class _Table:
    """One raw table while it is pruned."""

    raw: ParquetRaw
    table: str
    committed: frozenset[str]
    con: duckdb.DuckDBPyConnection
    scratch: Path
    pruned: Pruned
    dry_run: bool
    sizes: dict[str, int] = field(default_factory=dict)

    def prune(self) -> None:
        drafts = [path for path in self.raw.paths(self.table) if path.endswith(_DRAFT)]
        files = self.raw.files(self.table)
        self.sizes = {path: int(self.raw.filesystem.size(path)) for path in [*drafts, *(file.path for file in files)]}
        self._remove(drafts)
        alive = [file for file in files if file.is_merged or file.last in self.committed]
        dead = [file for file in files if file not in alive]
        left_over = self._left_over(alive)
        self._remove([file.path for file in left_over])
        alive = [file for file in alive if file not in left_over]
        self._remove_dead(dead, alive)
        for group in self._groups(alive):
            self._merge(group)

    def _left_over(self, files: Sequence[RawFile]) -> list[RawFile]:
        """Return the files of which a merged one holds all that counts: a kill kept them from being removed."""
        merged = [file for file in files if file.is_merged]
        suspects = [file for file in files if any(other.spans(file) for other in merged)]
        kept = [file.path for file in merged if file not in suspects]
        return [file for file in suspects if self._is_held(file, kept)]

    def _is_held(self, file: RawFile, kept: Sequence[str]) -> bool:
        rows = self._rows(self.raw.local([file.path]))
        return content_of(self.con, self.table, rows).is_within(self.con, rows, self._rows(self.raw.local(kept)))

    def _remove_dead(self, dead: Sequence[RawFile], alive: Sequence[RawFile]) -> None:
        newest = time.time() - (0 if self.raw.is_local else GRACE_SECONDS)
        for file in dead:
            if float(file.last) > newest:
                continue
            (path,) = self.raw.local([file.path])
            try:
                died = count(self.con, f"({self._rows([path])})")
            except duckdb.Error:
                # Torn: nobody can read a row of it.
                self._remove([file.path])
                continue
            kept = self._last_copies(path, alive) if died else 0
            self.pruned.last_copies += kept
            if not kept:
                self.pruned.dead += died
                self._remove([file.path])

    def _last_copies(self, dead: str, alive: Sequence[RawFile]) -> int:
        rows = self._rows([dead])
        content = content_of(self.con, self.table, rows)
        committed = self._rows(self.raw.local([file.path for file in alive])) if alive else f"from ({rows}) limit 0"
        return count(self.con, f"({content.last_copies(rows, committed)})")

    def _groups(self, files: Sequence[RawFile]) -> Iterator[list[RawFile]]:
        """Cut the files, in the order of their loads, where a large one lies or enough came together."""
        large = {(file.first, file.last) for file in files if self.sizes[file.path] >= SMALL}
        group: list[RawFile] = []
        size = 0
        for file in sorted(files, key=lambda file: (float(file.first), float(file.last))):
            # What is merged of a load must be all of it: its files stay together.
            is_large = (file.first, file.last) in large
            is_full = size >= SMALL and file.last != group[-1].last
            if is_large or is_full:
                yield group
                group, size = [], 0
            if not is_large:
                group.append(file)
                size += self.sizes[file.path]
        yield group

    def _merge(self, group: Sequence[RawFile]) -> None:
        if len(group) < 2:
            return
        sources = [file.path for file in group]
        rows = self._rows(self.raw.local(sources))
        content = content_of(self.con, self.table, rows)
        local = self.scratch / f"{uuid4().hex}.parquet"
        store = self.scratch / f"{uuid4().hex}.duckdb"
        self.con.execute(f"attach {literal(store)} as store")
        try:
            self.con.execute(f"create table store.main.copy as {rows} limit 0")
            content.copy(self.con, rows, "store.main.copy")
            self.con.execute(f"copy store.main.copy to {literal(local)} (format parquet, compression zstd)")
            content.prove(self.con, rows, self._rows([str(local)]))
            self.pruned.repeats += count(self.con, f"({rows})") - count(self.con, "store.main.copy")
            self.pruned.freed -= local.stat().st_size
            target = posixpath.join(posixpath.dirname(sources[0]), merged_name(group))
            if not self.dry_run:
                self._put(local, target)
            self.pruned.freed += self.sizes.get(target, 0)
            self._remove([path for path in sources if path != target])
        finally:
            self.con.execute("detach store")
            store.unlink(missing_ok=True)
            local.unlink(missing_ok=True)
            self.raw.remove_fetched()

    def _put(self, local: Path, target: str) -> None:
        """Give the file its name in one step, once all of it is there."""
        draft = f"{target}{_DRAFT}"
        self.raw.filesystem.put_file(str(local), draft)
        if self.raw.is_local:
            sync(Path(draft))
        self.raw.filesystem.mv(draft, target)
        if self.raw.is_local:
            sync(Path(target).parent)

    def _remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            self.pruned.files += 1
            self.pruned.freed += self.sizes[path]
            if not self.dry_run:
                self.raw.filesystem.rm_file(path)

    def _rows(self, paths: Sequence[str]) -> str:
        return f"select * from read_parquet({literals(paths)}, union_by_name = true, hive_partitioning = false)"
