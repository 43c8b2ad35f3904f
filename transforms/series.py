"""Samples by the day: raw rows pass through once, into files that never change.

The build database keeps no sample, only which files there are. That changes in the transaction that notes the loads as
taken in, so that a file of a transaction that failed is one that nobody lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import duckdb

from transforms import ledger, models, runner
from transforms.layout import PARQUET, link_or_copy, sync
from transforms.models import Model
from transforms.sql import count, instant, literal, literals, scalar, transaction

TABLES: Final = ("raw_pod_metrics", "raw_pod_metric_histograms", "raw_metric_windows")
"""Raw tables that pass through; the build database has them without rows."""
COPY: Final = "format parquet, compression zstd, row_group_size 122880"
PARTITION: Final = "sampled_on"
_NO_DAY: Final = "1970-01-01"
_MERGED: Final = "-merged.parquet"
_PARTS_OF_A_DAY: Final = 32
"""More files than these of one day are merged, whether it is over or not."""
_SAMPLES_AT_ONCE: Final = 2_000_000
_COMPARED_AT_ONCE: Final = 200_000
_KEY: Final = "pod_id, metric, gpu, labels, sampled_at"


def books() -> str:
    """Return the statements that create what is kept between runs."""
    return """
    -- The files that hold the samples and hours of each UTC day; how many of their rows have a number as value.
    create table series_files (table_name varchar, day date, file varchar, rows bigint, numbers bigint);
    -- Days of which a series differs from the last publication.
    create table unpublished_series (day date);
    -- Values that were seen, by metric.
    create table metric_ranges (
        metric varchar, samples bigint, unreadable bigint, observed_min double, observed_max double
    );
    -- What is known of metric types without asking.
    create table catalogue (
        metric varchar, unit varchar, per_gpu boolean, needs_gpu boolean, is_advanced boolean, since_version varchar,
        kind varchar, meaning varchar
    );
    """


class MetricType(NamedTuple):
    """What is known of a metric type without asking, as a row of the table `catalogue`."""

    metric: str
    unit: str
    per_gpu: bool
    needs_gpu: bool
    is_advanced: bool
    since_version: str
    kind: str
    meaning: str


def know(con: duckdb.DuckDBPyConnection, catalogue: Sequence[MetricType]) -> None:
    """Replace what is known of metric types."""
    with transaction(con):
        con.execute("delete from build.main.catalogue")
        if catalogue:
            rows = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in catalogue)
            con.execute(f"insert into build.main.catalogue values {rows}")


def take_in(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Take in the samples and the ledger's rows that the temporary views `arrived_…` of `TABLES` show.

    Called within the transaction of the loads; creates temporary tables for a workspace to drop. Pods that are over and
    of which something arrived count as touched.
    """
    con.execute(
        """
        create temp table new_windows as
        select distinct on (_dlt_load_id, read_index) * from arrived_metric_windows
        """
    )
    if not count(con, "temp.new_windows"):
        return
    ledger.weigh(con)
    runner.restrict_to(con, "raw_pod_metrics", _unseen(con, folder, _once(con)))
    part = uuid4().hex
    runner.run(con, _model("pod_metrics"), as_="view")
    new = _write(con, folder, "pod_metrics", part)
    ledger.settle(con)
    if new:
        _note_ranges(con, list(new.values()))
    moved = sorted({*new, *_days(con, "pod_metrics_hourly", "temp.metric_moves")})
    for day in moved:
        _rewrite_hours(con, folder, day, new.get(day), part)
    _to_be_audited(con, moved)
    _take_histograms(con, folder, part)
    con.execute(
        """
        insert into build.main.touched_pods
        select distinct pod_id from temp.new_windows
        where pod_id not in (select pod_id from build.main.touched_pods)
            and pod_id in (select pod_id from build.main.known_pods where not is_open)
        """
    )


def _take_histograms(con: duckdb.DuckDBPyConnection, folder: Path, part: str) -> None:
    """Write the distributions that are not there yet; there are few, so each day of theirs is looked through."""
    con.execute(
        """
        create temp table distributions as
        select distinct on (pod_id, metric, labels, sampled_at) * from temp.arrived_pod_metric_histograms
        order by pod_id, metric, labels, sampled_at, observed_at, read_index
        """
    )
    days = _days_of(con, "temp.distributions")
    if not days:
        return
    by_day = files(con, "pod_metric_histograms", folder)
    known = [path for day in days for path in by_day.get(day, [])]
    unseen = "temp.distributions"
    if known:
        unseen = f"""(
            from temp.distributions as new
            where not exists (
                from {_parquet(known)} as known
                where known.pod_id = new.pod_id and known.metric = new.metric and known.sampled_at = new.sampled_at
                    and cast(known.labels as varchar) is not distinct from new.labels
            )
        )"""
    runner.restrict_to(con, "raw_pod_metric_histograms", unseen)
    runner.run(con, _model("pod_metric_histograms"), as_="view")
    _to_be_audited(con, _write(con, folder, "pod_metric_histograms", part))


def _to_be_audited(con: duckdb.DuckDBPyConnection, days: Iterable[str]) -> None:
    con.execute(f"insert into build.main.unpublished_series select unnest(cast({literals(days)} as date[]))")


def files(con: duckdb.DuckDBPyConnection, table: str, folder: Path) -> dict[str, list[Path]]:
    """Return the files of a table by day, as `2026-01-31`."""
    rows = con.execute(
        "select cast(day as varchar), file from build.main.series_files"
        f" where table_name = {literal(table)} order by all"
    ).fetchall()
    by_day: dict[str, list[Path]] = {}
    for day, file in rows:
        by_day.setdefault(day, []).append(folder / table / day / file)
    return by_day


def is_whole(con: duckdb.DuckDBPyConnection, folder: Path) -> bool:
    """Whether every file that the books name is on the disk."""
    paths = [path for model in models.series() for found in files(con, model.name, folder).values() for path in found]
    return all(path.exists() and path.stat().st_size for path in paths)


def show_unpublished(con: duckdb.DuckDBPyConnection, folder: Path) -> bool:
    """Show the series of the days that differ from the last publication under their tables' names, if any do."""
    rows = con.execute("select distinct cast(day as varchar) from build.main.unpublished_series order by all")
    days = [day for (day,) in rows.fetchall()]
    for model in models.series() if days else ():
        by_day = files(con, model.name, folder)
        paths = [path for day in days for path in by_day.get(day, [])]
        runner.restrict_to(con, model.name, _parquet(paths or [_empty(con, folder, model)]))
    return bool(days)


def counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how many rows each table has."""
    found = con.execute("select table_name, sum(rows) from build.main.series_files group by table_name").fetchall()
    return {model.name: 0 for model in models.series()} | {name: int(rows) for name, rows in found}


def link(con: duckdb.DuckDBPyConnection, folder: Path, target: Path) -> None:
    """Show every file below `target`, in a Hive partition per day; a table without rows is one file without rows."""
    for model in models.series():
        by_day = files(con, model.name, folder)
        for day, paths in by_day.items():
            place = target / model.name / f"{PARTITION}={day}"
            place.mkdir(parents=True)
            for path in paths:
                link_or_copy(path, place / path.name)
        if not by_day:
            place = target / model.name / f"{PARTITION}={_NO_DAY}"
            place.mkdir(parents=True)
            link_or_copy(_empty(con, folder, model), place / "empty.parquet")


def _empty(con: duckdb.DuckDBPyConnection, folder: Path, model: Model) -> Path:
    file = folder / f"{model.name}.parquet"
    if not file.exists() or not file.stat().st_size:
        folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        with runner.workspace(con):
            con.execute(f"create temp table nothing ({runner.column_list(model)})")
            con.execute(f"copy temp.nothing to {literal(draft)} ({COPY})")
        sync(draft)
        draft.replace(file)
    return file


def show(con: duckdb.DuckDBPyConnection, generation: Path) -> None:
    """Create a view on each table's files in a generation, and a macro that takes the folder of a generation."""
    for model in models.series():
        con.execute(f"create view {model.name} as from {_published(literal(generation), model)}")
        con.execute(f"comment on view {model.name} is {literal(model.grain)}")
        for column in model.columns:
            con.execute(f"comment on column {model.name}.{column.name} is {literal(column.comment)}")
        con.execute(f"create macro {model.name}_in(folder) as table from {_published('folder', model)}")


def _published(generation: str, model: Model) -> str:
    files = f"{generation} || {literal(f'/{PARQUET}/{model.name}/{PARTITION}=*/*.parquet')}"
    return f"read_parquet({files}, hive_partitioning = true, hive_types = {{'{PARTITION}': date}})"


def remove_unlisted(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Remove files that no book names: what a killed run wrote, and what was merged into others."""
    listed = {path for model in models.series() for paths in files(con, model.name, folder).values() for path in paths}
    for path in folder.glob("*/*/*.parquet"):
        if path not in listed:
            path.unlink()


def _model(name: str) -> Model:
    return next(model for model in models.series() if model.name == name)


def _once(con: duckdb.DuckDBPyConnection) -> str:
    """Return the arrived samples, each row that one load holds once."""
    told = scalar(
        con,
        "select sum(samples) - (select count(*) from temp.arrived_pod_metric_histograms) from temp.new_windows",
    )
    if told == count(con, "temp.arrived_pod_metrics"):
        return "temp.arrived_pod_metrics"
    # A load killed after it copied a file and before it said so copies the file again.
    _firsts(con, "once", "temp.arrived_pod_metrics", key="_dlt_load_id, read_index")
    return "temp.once"


def _firsts(con: duckdb.DuckDBPyConnection, table: str, arrived: str, *, key: str, where: str = "true") -> None:
    """Put of the arrived samples the first of each key into a temporary table, a part of the keys at a time.

    To compare all at once would take all of the memory where a rebuild finds most of them suspect.
    """
    con.execute(f"create temp table {table} as from {arrived} limit 0")
    parts = 1 + count(con, arrived) // _COMPARED_AT_ONCE
    for part in range(parts):
        con.execute(
            f"""
            insert into temp.{table}
            select distinct on ({key}) * from {arrived} as sample where hash({key}) % {parts} = {part} and {where}
            order by {key}, observed_at, read_index
            """
        )


def _unseen(con: duckdb.DuckDBPyConnection, folder: Path, arrived: str) -> str:
    """Return those of the arrived samples that are not there yet, each once; only suspects are looked up."""
    if not count(con, "temp.metric_suspects"):
        return arrived
    is_suspect = """
        exists (
            from temp.metric_suspects as suspects
            where suspects.pod_id = sample.pod_id and sample.sampled_at between suspects.from_at and suspects.to_at
        )
    """
    _firsts(con, "suspected", arrived, key=_KEY, where=is_suspect)
    _show_known(con, folder)
    return f"""(
        select * from {arrived} as sample where not {is_suspect}
        union all
        select * from temp.suspected as sample
        where not exists (
            from temp.known_samples as known
            where known.pod_id = sample.pod_id and known.metric = sample.metric and known.sampled_at = sample.sampled_at
                and known.gpu is not distinct from gpu_index(sample.gpu)
                and cast(known.labels as varchar) is not distinct from series_labels(sample.gpu, sample.labels)
        )
    )"""


def _show_known(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Show the samples of the days that are suspected as `known_samples`."""
    by_day = files(con, "pod_metrics", folder)
    paths = [path for day in _days(con, "pod_metrics", "temp.metric_suspects") for path in by_day[day]]
    if paths:
        con.execute(f"create temp view known_samples as from {_parquet(paths)}")
    else:
        con.execute(f"create temp table known_samples ({runner.column_list(_model('pod_metrics'))})")


def _days(con: duckdb.DuckDBPyConnection, table: str, stretches: str) -> list[str]:
    """Return the days of a table's files that the stretches from `from_at` to `to_at` touch."""
    rows = con.execute(
        f"""
        select distinct cast(day as varchar)
        from build.main.series_files
        where table_name = {literal(table)} and exists (
            from {stretches}
            where day between cast(from_at at time zone 'UTC' as date) and cast(to_at at time zone 'UTC' as date)
        )
        """
    ).fetchall()
    return [day for (day,) in rows]


def _days_of(con: duckdb.DuckDBPyConnection, samples: str) -> list[str]:
    """Return the days of these samples, in order."""
    days = f"select distinct day_of(sampled_at) as day from {samples} order by day"
    return [day for (day,) in con.execute(f"select cast(day as varchar) from ({days})").fetchall()]


def _write(con: duckdb.DuckDBPyConnection, folder: Path, table: str, part: str) -> dict[str, Path]:
    """Write a model's rows into a new file for each of their days, in no order; return the files.

    One day after the other: a `copy` that does them all, by partitions, takes half as long again and more memory.
    """
    written = {}
    for day in _days_of(con, f"temp.{table}"):
        written[day] = folder / table / day / f"{part}.parquet"
        start = _start_of(day)
        within = f"sampled_at >= {start} and sampled_at < {start} + interval '1 day'"
        _write_file(con, written[day], f"from temp.{table} where {within}")
        _enter(con, written[day])
    return written


def _start_of(day: str) -> str:
    return f"timestamptz '{day} 00:00:00+00'"


def _replace_day(con: duckdb.DuckDBPyConnection, place: Path, rows: str) -> None:
    """Write rows, in their order, into the one file that stands for a day of a table from now on."""
    _write_file(con, place, rows)
    con.execute(
        "delete from build.main.series_files"
        f" where table_name = {literal(place.parent.parent.name)} and day = {literal(place.parent.name)}"
    )
    _enter(con, place)


def _write_file(con: duckdb.DuckDBPyConnection, place: Path, rows: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({rows}) to {literal(place)} ({COPY})")


def _enter(con: duckdb.DuckDBPyConnection, place: Path) -> None:
    """Enter a file in the books, once the disk holds it: its links are not synced when they are published."""
    sync(place)
    values = f"{literal(place.parent.parent.name)}, {literal(place.parent.name)}, {literal(place.name)}"
    # A file's own statistics tell what no pass over its values has to.
    numbers = f"""
        select cast(sum(num_values - stats_null_count) as bigint)
        from parquet_metadata({literal(place)})
        where path_in_schema = 'value'
    """
    con.execute(
        "insert into build.main.series_files"
        f" select {values}, num_rows, ({numbers}) from parquet_file_metadata({literal(place)})"
    )


def _note_ranges(con: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    con.execute(
        f"""
        create temp table ranges as
        select
            metric,
            sum(samples) as samples,
            sum(unreadable) as unreadable,
            min(observed_min) as observed_min,
            max(observed_max) as observed_max
        from (
            from build.main.metric_ranges
            union all
            select metric, count(*), count(value_text), min(value), max(value) from {_parquet(paths)} group by metric
        )
        group by metric
        """
    )
    con.execute("delete from build.main.metric_ranges")
    con.execute("insert into build.main.metric_ranges from temp.ranges")


def _rewrite_hours(con: duckdb.DuckDBPyConnection, folder: Path, day: str, new: Path | None, part: str) -> None:
    """Write the hours of a day again: those with samples in the new file or of which other is expected, now.

    The others stay as they were.
    """
    of_day = files(con, "pod_metrics", folder)[day]
    before = files(con, "pod_metrics_hourly", folder).get(day, [])
    start = _start_of(day)
    with runner.workspace(con):
        con.execute(
            f"""
            create temp table touched_hours as
            select moved.pod_id, hour_at
            from (select unnest(generate_series({start}, {start} + interval '23 hours', interval '1 hour')) as hour_at)
            inner join temp.metric_moves as moved
                on hour_at <= moved.to_at and hour_at + interval '1 hour' > moved.from_at
            {f"union select pod_id, hour_of(sampled_at) from {_parquet([new])}" if new else ""}
            """
        )
        # The bounds let DuckDB pass over files and row groups of other hours.
        [bounds] = con.execute(
            "select min(hour_at), max(hour_at) + interval '1 hour' from temp.touched_hours"
        ).fetchall()
        first, last = (instant(bound) for bound in bounds)
        within = f"sampled_at >= {first} and sampled_at < {last}"
        touched = f"{within} and (pod_id, hour_of(sampled_at)) in (from temp.touched_hours)"
        _make_hours(con, f"select * from {_parquet(of_day)} where {'true' if of_day == [new] else touched}")
        kept = (
            f"select * from {_parquet(before)} where (pod_id, hour_at) not in (from temp.touched_hours) union all"
            if before
            else ""
        )
        place = folder / "pod_metrics_hourly" / day / f"{part}.parquet"
        _replace_day(con, place, f"{kept} select * from temp.hours order by all")


def _make_hours(con: duckdb.DuckDBPyConnection, samples: str) -> None:
    """Put the hours of these samples into `hours`, a part of the pods at a time: a median needs all of its values."""
    model = _model("pod_metrics_hourly")
    con.execute(f"create temp table hours ({runner.column_list(model)})")
    parts = 1 + count(con, f"({samples})") // _SAMPLES_AT_ONCE
    for number in range(parts):
        con.execute(
            f"create or replace temp view touched_samples as from ({samples}) where hash(pod_id) % {parts} = {number}"
        )
        runner.run(con, model, as_="view")
        con.execute("insert into temp.hours from temp.pod_metrics_hourly")


def merge(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the samples of a day that is over into one file, pod by pod, and those of days with many files.

    Answers come in any order, so that even one file has to be sorted once. What comes late for a day that was merged
    stays beside it for a while: a day is long, and what comes late is little. To sort a day takes all of the memory, so
    this is no part of the transaction in which the samples are taken in: it keeps what was dropped in it.
    """
    rows = con.execute(
        f"""
        select cast(day as varchar)
        from build.main.series_files
        where table_name = 'pod_metrics'
        group by day
        having count(*) > {_PARTS_OF_A_DAY} or (
            not bool_or(file like '%{_MERGED}')
            and day < (select max(day) from build.main.series_files where table_name = 'pod_metrics')
        )
        """
    ).fetchall()
    by_day = files(con, "pod_metrics", folder)
    for (day,) in rows:
        ordered = f"from {_parquet(by_day[day])} order by pod_id, metric, gpu, sampled_at, labels"
        with transaction(con):
            _replace_day(con, folder / "pod_metrics" / day / f"{uuid4().hex}{_MERGED}", ordered)


def _parquet(paths: Sequence[Path]) -> str:
    return f"read_parquet({literals(paths)}, hive_partitioning = false)"
