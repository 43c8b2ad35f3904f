"""What of a raw table counts, and the proof that a copy of the table holds all of it.

A row of a committed load counts once. Of samples that are equal in everything but when and by which load they were
read, the first one counts: a window is asked for again where it came short, and most of it comes a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from transforms.errors import PruneRefused
from transforms.sql import count

LOAD: Final = "_dlt_load_id"
_ROWS_AT_ONCE: Final = 500_000
_SAMPLES: Final = {"pod_metrics", "pod_metric_histograms"}
# What a load says of itself: without its load it says nothing.
_BOOKS: Final = {"metric_windows", "pod_absences", "pod_counts", "runs"}
_READING: Final = {LOAD, "observed_at", "read_index"}


@dataclass
class Pruned:
    """What was removed from raw, or would be: rows, files and bytes; `last_copies` are dead rows that were kept."""

    dead: int = 0
    repeats: int = 0
    last_copies: int = 0
    files: int = 0
    freed: int = 0


@dataclass(frozen=True)
class Content:
    """A raw table by its columns."""

    table: str
    columns: tuple[str, ...]

    @property
    def is_samples(self) -> bool:
        """Whether equal rows of different loads are one thing."""
        return self.table in _SAMPLES

    def copy(self, con: duckdb.DuckDBPyConnection, rows: str, target: str) -> None:
        """Insert into `target` what of `rows` counts; all of them are of committed loads."""
        thing = self._thing() if self.is_samples else f"{LOAD}, read_index"
        for part in self._parts(con, rows):
            con.execute(
                f"insert into {target} by name from ({part})"
                f" qualify row_number() over (partition by {thing} order by observed_at, {LOAD}, read_index) = 1"
            )

    def prove(self, con: duckdb.DuckDBPyConnection, rows: str, copy: str) -> None:
        """See that `copy` holds everything of `rows` that counts, each thing once.

        Raises PruneRefused where it does not.
        """
        told, held = self._tally(con, rows), self._tally(con, copy)
        if told != held or held[0] != count(con, f"({copy})"):
            raise PruneRefused(f"{self.table}: the copy holds {held[0]:,} rows of {told[0]:,}, or others")

    def last_copies(self, dead: str, committed: str) -> str:
        """Return a query for those of the `dead` rows that no committed row repeats."""
        if self.table in _BOOKS:
            return f"from ({dead}) limit 0"
        content = [name for name in self.columns if name not in {*_READING, "found_by"}]
        pod = next((name for name in ("id", "pod_id") if name in self.columns), None)
        near = f"where {pod} in (select {pod} from ({dead}))" if pod else ""
        same = " and ".join(f"dead.{name} is not distinct from alive.{name}" for name in content)
        alike = f"from ({_with_columns_of(dead, committed)}) {near}"
        return f"select dead.* from ({dead}) as dead anti join ({alike}) as alive on {same}"

    def is_within(self, con: duckdb.DuckDBPyConnection, rows: str, others: str) -> bool:
        """Whether the other rows hold everything of `rows` that counts."""
        thing = self._thing() if self.is_samples else ", ".join(self.columns)
        near = "pod_id" if self.is_samples else LOAD
        alike = f"from ({_with_columns_of(rows, others)}) where {near} in (select {near} from ({rows}))"
        return not count(con, f"(select {thing} from ({rows}) except select {thing} from ({alike}))")

    def _thing(self) -> str:
        return ", ".join(name for name in self.columns if name not in _READING)

    def _parts(self, con: duckdb.DuckDBPyConnection, rows: str) -> Sequence[str]:
        """Cut rows so that equal ones stay together: to compare them all at once would take all of the memory."""
        parts = 1 + count(con, f"({rows})") // _ROWS_AT_ONCE
        by = "pod_id" if self.is_samples else "read_index"
        return [f"from ({rows}) where hash({by}) % {parts} = {number}" for number in range(parts)]

    def _tally(self, con: duckdb.DuckDBPyConnection, rows: str) -> tuple[int, int]:
        """Return how many things there are, and a checksum that is the same in any order."""
        everything = ", ".join(self.columns)
        once = f"select {everything} from ({{part}}) group by all"
        if self.is_samples:
            everything = f"{self._thing()}, first_at"
            once = f"select {self._thing()}, min(observed_at) as first_at from ({{part}}) group by all"
        things = checksum = 0
        for part in self._parts(con, rows):
            total = f"cast(coalesce(sum(hash({everything})), 0) as hugeint)"
            [(number, of_part)] = con.execute(f"select count(*), {total} from ({once.format(part=part)})").fetchall()
            things, checksum = things + number, checksum + of_part
        return things, checksum


def _with_columns_of(rows: str, others: str) -> str:
    """Return the other rows with the columns of `rows` too, null where they are from before there was such a column."""
    return f"(from ({rows}) limit 0) union all by name (from ({others}))"


def content_of(con: duckdb.DuckDBPyConnection, table: str, rows: str) -> Content:
    """Return the raw table whose rows the query gives."""
    return Content(table, tuple(con.sql(rows).columns))
