"""The build database: committed raw rows once each, what the next run must know, and the marts made from them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from transforms import audit, ledger, models, refresh, runner, series, time_zones
from transforms.database import HERE, connect, with_room
from transforms.errors import BuildBusy
from transforms.layout import Layout
from transforms.rate_card import TABLE, RateCard
from transforms.raw import RawStore
from transforms.sql import count, literal, literals, scalar, transaction
from transforms.thresholds import TABLES, Thresholds

# A storage version that DuckDB 1.2 opens: readers need not be as new as the pipeline.
_STORAGE_VERSION = "v1.2.0"

# Rooms whose queries only read what was built: nothing has to be built again when they change.
_ONLY_READ = {"report", "tests"}

_BOOKS = """
create table taken_in (load_id varchar);
-- The generation that the books of unpublished changes are relative to; without one everything must be written.
create table published (generation varchar);
create table build_info (fingerprint varchar);
-- Where days begin and end in marts by the day.
create table reporting (time_zone varchar);
"""
# Which raw rows a `take_in` is bringing in.
_IS_NEW = "_dlt_load_id in (from temp.new_loads)"


@dataclass(frozen=True)
class TakenIn:
    """What `take_in` found: newly committed loads, their rows by raw table, and the pods that these rows concern."""

    loads: list[str]
    rows: dict[str, int]
    touched_pods: int
    started_over: bool


class Build:
    """The build database of one data directory, open for one process; use it as a context manager.

    Raises BuildBusy where another process has it open. A database that is damaged, incomplete or made by other models
    is thrown away: it holds nothing that raw does not.
    """

    def __init__(
        self,
        layout: Layout,
        catalogue: Iterable[series.MetricType] = (),
        *,
        time_zone: str = time_zones.UTC,
        thresholds: Thresholds | None = None,
        rate_card: RateCard | None = None,
    ) -> None:
        """Open it. The catalogue says what is known of metric types; whoever reads them knows it.

        `time_zone` is where days begin and end in marts by the day, `thresholds` say from when on pods are wasteful (by
        default those of `thresholds.toml`), `rate_card` what they cost (by default nobody knows). UnknownTimeZone where
        DuckDB knows none of that name.
        """
        time_zones.check(time_zone)
        self.layout = layout
        self.time_zone = time_zone
        self._catalogue = tuple(catalogue)
        self._reporting = f"insert into reporting values ({literal(time_zone)});"
        self._reporting += (thresholds or Thresholds.load()).statements()
        self._reporting += (rate_card or RateCard()).statements()
        self._con = _open(layout, self._reporting)
        series.know(self._con, self._catalogue)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write everything to the files and let go of them."""
        self._con.close()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection for planning queries over `known_pods` and `raw_*`."""
        return self._con

    def take_in(self, raw: RawStore) -> TakenIn:
        """Bring in the rows of newly committed loads, once each, in one transaction.

        Where the destination no longer has a load that was taken in, everything starts over from what it has.
        """
        committed = raw.committed_loads()
        started_over = not self._taken_in() <= set(committed)
        if started_over:
            self.start_over()
        loads = sorted(set(committed) - self._taken_in())
        if not loads:
            return TakenIn([], {}, 0, started_over)
        try:
            rows, touched = with_room(self._con, lambda: self._bring_in(raw, loads))
            with_room(self._con, lambda: series.merge(self._con, self.layout.series))
        finally:
            raw.release(self._con)
            series.remove_unlisted(self._con, self.layout.series)
        return TakenIn(loads, rows, touched, started_over)

    def refresh(self, as_of: datetime | None = None) -> refresh.BuildReport:
        """Rebuild the marts of touched and open pods and say what changed since the last publication.

        `as_of` defaults to the latest committed run's.
        """
        return with_room(self._con, lambda: refresh.refresh(self._con, self.layout.series, as_of))

    def audit(self) -> list[audit.Finding]:
        """Run every data test over the marts; an empty list means that all of them hold."""
        return with_room(self._con, lambda: audit.audit(self._con, self.layout.series))

    def start_over(self) -> None:
        """Throw both databases away; raw holds all of it."""
        self._con.close()
        _discard(self.layout)
        self._con = _open(self.layout, self._reporting)
        series.know(self._con, self._catalogue)

    def copy_marts(self, target: Path) -> None:
        """Copy the marts into a database file of their own, everything checkpointed."""
        self._con.execute("checkpoint marts")
        self._con.execute("detach marts")
        try:
            shutil.copyfile(self.layout.marts, target)
        finally:
            _attach_marts(self._con, self.layout)

    def published_generation(self) -> str | None:
        """Return the generation that the books of unpublished changes are relative to."""
        generation: str | None = scalar(self._con, "select generation from build.main.published")
        return generation

    def note_published(self, generation: str) -> None:
        """Close the books: the marts are what this generation shows."""
        with transaction(self._con):
            for table in ("unpublished_pods", "unpublished_days", "unpublished_series", "published"):
                self._con.execute(f"delete from build.main.{table}")
            self._con.execute(f"insert into build.main.published values ({literal(generation)})")

    def _taken_in(self) -> set[str]:
        return {load for (load,) in self._con.execute("select load_id from build.main.taken_in").fetchall()}

    def _bring_in(self, raw: RawStore, loads: list[str]) -> tuple[dict[str, int], int]:
        """Take the loads' rows, all of them or none; return how many by table, and how many pods they concern."""
        with runner.workspace(self._con), transaction(self._con):
            self._con.execute(f"create temp table new_loads as select unnest({literals(loads)}) as load_id")
            rows = {table: self._append(raw, table, loads) for table in raw_tables() if table not in series.TABLES}
            touched = self._touch()
            self._pass_through(raw, loads)
            self._con.execute("insert into build.main.taken_in from temp.new_loads")
        return rows, touched

    def _append(self, raw: RawStore, table: str, loads: list[str]) -> int:
        """Copy the loads' rows of one table, then drop what one committed load holds twice."""
        try:
            rows = self._typed(raw, table, loads)
            if rows is None:
                return 0
            rows.insert_into(f"build.main.{table}")
        finally:
            # Before the next table, or another try: the disk need not hold all of raw at once.
            raw.remove_fetched()
        arrived = f"build.main.{table} where {_IS_NEW}"
        # A load killed after it copied a file and before it said so copies the file again.
        self._con.execute(
            f"""
            delete from build.main.{table} where rowid in (
                select rowid from {arrived}
                qualify row_number() over (partition by _dlt_load_id, read_index order by rowid) > 1
            )
            """
        )
        return count(self._con, arrived)

    def _pass_through(self, raw: RawStore, loads: list[str]) -> None:
        """Let the series have the loads' rows; nothing of them stays in the build database."""
        try:
            for table in series.TABLES:
                rows = self._typed(raw, table, loads)
                query = f"from build.main.{table}" if rows is None else rows.sql_query()
                self._con.execute(f"create temp view {table.replace('raw_', 'arrived_', 1)} as {query}")
            series.take_in(self._con, self.layout.series)
        finally:
            # All three only now: a view is read as often as it is named.
            raw.remove_fetched()

    def _typed(self, raw: RawStore, table: str, loads: list[str]) -> duckdb.DuckDBPyRelation | None:
        """Return the loads' rows of one table with the columns that the models know."""
        rows = raw.rows(self._con, table.removeprefix("raw_"), loads)
        if rows is None:
            return None
        present = set(rows.columns)
        columns = self._con.table(f"build.main.{table}")
        typed = [
            f"cast({name if name in present else 'null'} as {type_}) as {name}"
            for name, type_ in zip(columns.columns, columns.types, strict=True)
        ]
        return rows.select(", ".join(typed))

    def _touch(self) -> int:
        """Note which pods the loads concern and bring `known_pods` up to date for them."""
        con = self._con
        con.execute(
            f"""
            create temp table arrived as
            select id as pod_id from build.main.raw_pods where {_IS_NEW}
            union select pod_id from build.main.raw_pod_absences where {_IS_NEW}
            union select pod_id from build.main.raw_cluster_pods where {_IS_NEW}
            """
        )
        con.execute("insert into build.main.touched_pods from temp.arrived except from build.main.touched_pods")
        *needed, known_pods = models.upstream("known_pods")
        runner.restrict(con, "arrived", as_="view", inputs=["raw_pods", "raw_pod_absences"])
        for model in needed:
            runner.run(con, model, as_="view")
        runner.run(con, known_pods)
        con.execute("delete from build.main.known_pods where pod_id in (from temp.arrived)")
        con.execute("insert into build.main.known_pods from temp.known_pods")
        return count(con, "temp.arrived")


@cache
def raw_tables() -> tuple[str, ...]:
    """Return the names of the raw tables that the models know."""
    with duckdb.connect() as con:
        con.execute((HERE / "raw_tables.sql").read_text(encoding="utf-8"))
        return tuple(sorted(name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()))


@cache
def fingerprint(reporting: str) -> str:
    """Return a hash of everything that decides what the build database holds; row hashes are DuckDB's own."""
    digest = hashlib.sha256(f"{duckdb.__version__}{reporting}{_books()}".encode())
    for path in sorted(p for p in HERE.rglob("*.sql") if p.relative_to(HERE).parts[0] not in _ONLY_READ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _books() -> str:
    return _BOOKS + TABLES + TABLE + refresh.books() + ledger.books() + series.books()


def _open(layout: Layout, reporting: str) -> duckdb.DuckDBPyConnection:
    layout.state.mkdir(parents=True, exist_ok=True)
    if layout.build.exists() != layout.marts.exists():
        _discard(layout)
    try:
        con = _attach(layout)
    except duckdb.Error as error:
        if "Could not set lock" in str(error):
            message = f"another process has {layout.build} open; close it and run again"
            raise BuildBusy(message) from error
        # Disposable: a damaged one is made again from raw.
        _discard(layout)
        con = _attach(layout)
    if _is_current(con, reporting) and series.is_whole(con, layout.series):
        return con
    con.close()
    _discard(layout)
    con = _attach(layout)
    _create(con, reporting)
    return con


def _attach(layout: Layout) -> duckdb.DuckDBPyConnection:
    con = connect(layout.build, spill=layout.spill)
    # Open for us alone: what lies there is of a process that was killed.
    shutil.rmtree(layout.spill, ignore_errors=True)
    try:
        _attach_marts(con, layout)
    except BaseException:
        con.close()
        raise
    return con


def _attach_marts(con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    con.execute(f"attach {literal(layout.marts)} as marts (storage_version {literal(_STORAGE_VERSION)})")


def _is_current(con: duckdb.DuckDBPyConnection, reporting: str) -> bool:
    exists = scalar(con, "select 1 from duckdb_tables() where database_name = 'build' and table_name = 'build_info'")
    return bool(exists) and scalar(con, "select fingerprint from build_info") == fingerprint(reporting)


def _create(con: duckdb.DuckDBPyConnection, reporting: str) -> None:
    """Create every table; the fingerprint comes last, for until it is there the databases are not complete."""
    with transaction(con):
        runner.create(con, "marts", models.marts())
    with transaction(con):
        con.execute((HERE / "raw_tables.sql").read_text(encoding="utf-8"))
        con.execute(_books())
        runner.create(con, "build", [models.upstream("known_pods")[-1], *refresh.kept()])
        con.execute(reporting)
        con.execute(f"insert into build_info values ({literal(fingerprint(reporting))})")


def _discard(layout: Layout) -> None:
    for database in (layout.build, layout.marts):
        for path in (database, Path(f"{database}.wal")):
            path.unlink(missing_ok=True)
    shutil.rmtree(layout.series, ignore_errors=True)
