"""Samples by the day: raw rows pass through once, into files that never change, and into what is known of coverage.

The build database keeps no sample. It keeps which files there are, what of each pod's life was asked for, and which
windows are not final yet; all of it changes in the transaction that notes the loads as taken in, so that a file of a
transaction that failed is one that nobody lists.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import duckdb

from transforms import models, runner
from transforms.layout import link_or_copy, sync
from transforms.models import Model
from transforms.sql import count, literal, literals, transaction

TABLES: Final = ("raw_pod_metrics", "raw_pod_metric_histograms", "raw_metric_windows")
"""Raw tables that pass through; the build database has them without rows."""
COPY: Final = "format parquet, compression zstd, row_group_size 122880"
PARTITION: Final = "sampled_on"
_NO_DAY: Final = "1970-01-01"
_MERGED: Final = "-merged.parquet"
_PARTS_OF_A_DAY: Final = 32
"""More files than these of one day are merged, whether it is over or not."""
_SAMPLES_AT_ONCE: Final = 2_000_000
LATE: Final = "interval '24 hours'"
"""After this long, clusters that were offline have synced: what is missing then stays missing."""
ENOUGH_ATTEMPTS: Final = 3
_KEY: Final = "pod_id, metric, gpu, labels, sampled_at"


def books() -> str:
    """Return the statements that create what is kept between runs."""
    return """
    -- The files that hold the samples and hours of each UTC day.
    create table series_files (table_name varchar, day date, file varchar, rows bigint);
    -- What of a pod's life was asked for, by metric: one stretch without a gap, and how much of it has samples.
    create table metric_spans (
        pod_id varchar, metric varchar, asked_from timestamptz, asked_to timestamptz, resolution_seconds bigint,
        started_at timestamptz, ended_at timestamptz, covered_seconds double
    );
    -- At which resolution it was asked for, from each instant on at which that changed.
    create table metric_steps (pod_id varchar, metric varchar, since timestamptz, resolution_seconds bigint);
    -- Windows that are asked for again: not all that was expected came, and it may still come.
    create table metric_gaps (
        pod_id varchar, metric varchar, window_from timestamptz, window_to timestamptz, resolution_seconds bigint,
        status varchar, reason varchar, instants bigint, expected_samples bigint, attempts bigint,
        asked_at timestamptz
    );
    -- Types that a control plane did not give at all, and when it was asked last.
    create table metrics_off (metric varchar, asked_at timestamptz, reason varchar);
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
    """Take in the samples and ledger rows that the temporary views `arrived_…` of `TABLES` show.

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
    _explode_windows(con)
    _divide_samples(con, folder)
    runner.restrict_to(con, "raw_pod_metrics", "temp.unseen_samples")
    part = uuid4().hex
    runner.run(con, _model("pod_metrics"), as_="view")
    days = _write(con, folder, "pod_metrics", part)
    _note_windows(con)
    by_day = files(con, "pod_metrics", folder)
    new = {day: [path for path in by_day[day] if path.name.startswith(part)] for day in days}
    if days:
        _note_ranges(con, [path for paths in new.values() for path in paths])
    for day in sorted({*days, *_days_that_expect_other(con)}):
        _rewrite_hours(con, folder, day, new.get(day, []), part)
    _merge(con, folder, part)
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
    days = con.execute("select distinct cast(cast(sampled_at as date) as varchar) from temp.distributions").fetchall()
    if not days:
        return
    by_day = files(con, "pod_metric_histograms", folder)
    known = [path for (day,) in days for path in by_day.get(day, [])]
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
    _write(con, folder, "pod_metric_histograms", part)


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
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with runner.workspace(con):
            con.execute(f"create temp table nothing ({runner.column_list(model)})")
            con.execute(f"copy temp.nothing to {literal(file)} ({COPY})")
    return file


def show(con: duckdb.DuckDBPyConnection, parquet: Path) -> None:
    """Create a view on each table's files below `parquet`, and a macro that takes another folder of a generation."""
    for model in models.series():
        con.execute(f"create view {model.name} as from {_published(literal(parquet), model)}")
        con.execute(f"comment on view {model.name} is {literal(model.grain)}")
        for column in model.columns:
            con.execute(f"comment on column {model.name}.{column.name} is {literal(column.comment)}")
        con.execute(f"create macro {model.name}_in(folder) as table from {_published('folder', model)}")


def _published(parquet: str, model: Model) -> str:
    pattern = f"/{model.name}/{PARTITION}=*/*.parquet"
    return (
        f"read_parquet({parquet} || {literal(pattern)}, hive_partitioning = true, hive_types = {{'{PARTITION}': date}})"
    )


def remove_unlisted(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Remove files that no book names: what a killed run wrote, and what was merged into others."""
    listed = {path for model in models.series() for paths in files(con, model.name, folder).values() for path in paths}
    for path in folder.glob("*/*/*.parquet"):
        if path not in listed:
            path.unlink()
    for path in folder.glob(".writing-*"):
        shutil.rmtree(path)


def _model(name: str) -> Model:
    return next(model for model in models.series() if model.name == name)


def _explode_windows(con: duckdb.DuckDBPyConnection) -> None:
    """Put one row for each window and type into `outcomes`, with the status that this type has."""
    con.execute(
        """
        create temp table outcomes as
        with typed as (
            select
                *,
                unnest(from_json(asked, '["varchar"]')) as metric
            from temp.new_windows
        ),
        counted as (
            select
                *,
                cast(json_extract_string(returned, '$."' || metric || '"') as bigint) as came
            from typed
        )
        select
            pod_id, metric, window_from, window_to, resolution_seconds, started_at, ended_at, expected_samples, reason,
            observed_at as asked_at,
            least(coalesce(came, 0), epoch(window_to - window_from) // resolution_seconds) as instants,
            case
                when returned is null then status
                when came is null then 'partial'
                when came >= expected_samples then 'ok'
                when came = 0 then 'empty'
                else 'short'
            end as status
        from counted
        """
    )


def _divide_samples(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Put samples that are not there yet into `unseen_samples`, each once.

    Windows of one pod and metric do not overlap, so a sample can be there already only where a window touches what was
    asked for before, or another new window: at an edge, or all of it when it was asked for again.
    """
    con.execute(
        """
        create temp table suspects as
        select distinct
            new.pod_id,
            greatest(new.window_from, old.asked_from) as from_at,
            least(new.window_to, old.asked_to) as to_at
        from temp.outcomes as new
        inner join build.main.metric_spans as old using (pod_id, metric)
        where new.window_from <= old.asked_to and new.window_to >= old.asked_from
        union
        select pod_id, window_from, least(window_to, asked_to)
        from (
            select
                *,
                max(window_to) over (
                    partition by pod_id, metric order by window_from, window_to
                    rows between unbounded preceding and 1 preceding
                ) as asked_to
            from temp.outcomes
        )
        where window_from <= asked_to
        """
    )
    told = con.execute(
        "select sum(samples) - (select count(*) from arrived_pod_metric_histograms) from temp.new_windows"
    ).fetchone()
    arrived = "temp.arrived_pod_metrics"
    if told is None or told[0] != count(con, arrived):
        # A load killed after it copied a file and before it said so copies the file again.
        con.execute(
            "create temp table once as select distinct on (_dlt_load_id, read_index) * from temp.arrived_pod_metrics"
        )
        arrived = "temp.once"
    if not count(con, "temp.suspects"):
        con.execute(f"create temp view unseen_samples as from {arrived}")
        return
    is_suspect = """
        exists (
            from temp.suspects
            where suspects.pod_id = sample.pod_id and sample.sampled_at between suspects.from_at and suspects.to_at
        )
    """
    _show_known(con, folder)
    con.execute(
        f"""
        create temp table suspected as
        select distinct on ({_KEY}) * from {arrived} as sample where {is_suspect}
        order by {_KEY}, observed_at, read_index
        """
    )
    con.execute(
        f"""
        create temp view unseen_samples as
        select * from {arrived} as sample where not {is_suspect}
        union all
        select * from temp.suspected as sample
        where not exists (
            from temp.known_samples as known
            where known.pod_id = sample.pod_id and known.metric = sample.metric and known.sampled_at = sample.sampled_at
                and known.gpu is not distinct from gpu_index(sample.gpu)
                and cast(known.labels as varchar) is not distinct from series_labels(sample.gpu, sample.labels)
        )
        """
    )


def _show_known(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Show the samples of the days that are suspected as `known_samples`."""
    rows = con.execute(
        """
        select distinct cast(day as varchar)
        from build.main.series_files
        where table_name = 'pod_metrics' and exists (
            from temp.suspects
            where day between cast(from_at at time zone 'UTC' as date) and cast(to_at at time zone 'UTC' as date)
        )
        """
    ).fetchall()
    by_day = files(con, "pod_metrics", folder)
    paths = [path for (day,) in rows for path in by_day[day]]
    if paths:
        con.execute(f"create temp view known_samples as from {_parquet(paths)}")
    else:
        con.execute(f"create temp table known_samples ({runner.column_list(_model('pod_metrics'))})")


def _write(con: duckdb.DuckDBPyConnection, folder: Path, table: str, part: str) -> list[str]:
    """Write a model's rows into new files of their days, in no order, and enter these in the books; return the days."""
    drafts = folder / f".writing-{part}"
    shutil.rmtree(drafts, ignore_errors=True)
    drafts.mkdir(parents=True)
    con.execute(
        f"copy (select *, cast(sampled_at at time zone 'UTC' as date) as day from temp.{table}) to {literal(drafts)}"
        f" ({COPY}, partition_by (day), filename_pattern {literal(part + '-{i}')}, overwrite_or_ignore)"
    )
    days = []
    for written in sorted(drafts.glob("day=*/*.parquet")):
        day = written.parent.name.removeprefix("day=")
        place = folder / table / day / written.name
        place.parent.mkdir(parents=True, exist_ok=True)
        written.rename(place)
        days.append(day)
        _enter(con, place)
    shutil.rmtree(drafts)
    return sorted(set(days))


def _replace_day(con: duckdb.DuckDBPyConnection, place: Path, rows: str) -> None:
    """Write rows, in their order, into the one file that stands for a day of a table from now on."""
    place.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({rows}) to {literal(place)} ({COPY})")
    con.execute(
        "delete from build.main.series_files"
        f" where table_name = {literal(place.parent.parent.name)} and day = {literal(place.parent.name)}"
    )
    _enter(con, place)


def _enter(con: duckdb.DuckDBPyConnection, place: Path) -> None:
    """Enter a file in the books, once the disk holds it: its links are not synced when they are published."""
    sync(place)
    values = f"{literal(place.parent.parent.name)}, {literal(place.parent.name)}, {literal(place.name)}"
    con.execute(
        f"insert into build.main.series_files select {values}, num_rows from parquet_file_metadata({literal(place)})"
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


def _rewrite_hours(con: duckdb.DuckDBPyConnection, folder: Path, day: str, new: Sequence[Path], part: str) -> None:
    """Write the hours of a day again: those with samples in the new files or of which other is expected, now.

    The others stay as they were.
    """
    of_day = files(con, "pod_metrics", folder)[day]
    before = files(con, "pod_metrics_hourly", folder).get(day, [])
    start = f"timestamptz '{day} 00:00:00+00'"
    hour = "time_bucket(interval '1 hour', sampled_at)"
    with runner.workspace(con):
        con.execute(
            f"""
            create temp table touched_hours as
            select moved.pod_id, hour_at
            from (select unnest(generate_series({start}, {start} + interval '23 hours', interval '1 hour')) as hour_at)
            inner join temp.moved on hour_at <= moved.to_at and hour_at + interval '1 hour' > moved.from_at
            {f"union select pod_id, {hour} from {_parquet(new)}" if new else ""}
            """
        )
        touched = f"(pod_id, {hour}) in (from temp.touched_hours)" if len(of_day) > len(new) else "true"
        _make_hours(con, f"select * from {_parquet(of_day)} where {touched}")
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


def _merge(con: duckdb.DuckDBPyConnection, folder: Path, part: str) -> None:
    """Merge the samples of a day that is over into one file, pod by pod, and those of days with many files.

    What comes late for a day that was merged stays beside it for a while: a day is long, and what comes late is little.
    """
    rows = con.execute(
        f"""
        select cast(day as varchar)
        from build.main.series_files
        where table_name = 'pod_metrics'
        group by day
        having count(*) > 1 and (
            count(*) > {_PARTS_OF_A_DAY}
            or (
                not bool_or(file like '%{_MERGED}')
                and day < (select max(day) from build.main.series_files where table_name = 'pod_metrics')
            )
        )
        """
    ).fetchall()
    by_day = files(con, "pod_metrics", folder)
    for (day,) in rows:
        ordered = f"from {_parquet(by_day[day])} order by pod_id, metric, gpu, sampled_at, labels"
        _replace_day(con, folder / "pod_metrics" / day / f"{part}{_MERGED}", ordered)


def _note_windows(con: duckdb.DuckDBPyConnection) -> None:
    """Bring spans, gaps and what is off up to date with the outcomes."""
    con.execute(
        """
        create temp table asked as
        select
            pod_id,
            metric,
            min(window_from) as asked_from,
            max(window_to) as asked_to,
            arg_max(resolution_seconds, window_to) as resolution_seconds,
            min(started_at) as started_at,
            arg_max_null(ended_at, asked_at) as ended_at
        from temp.outcomes
        where status <> 'disabled'
        group by pod_id, metric
        """
    )
    con.execute(
        f"""
        create temp table folded as
        with every as (
            select *, 1 as attempts from temp.outcomes where status <> 'disabled'
            union all by name
            select * from build.main.metric_gaps where (pod_id, metric) in (select pod_id, metric from temp.asked)
        ),
        own as (
            select * from every as old
            -- One that was asked for again in shorter windows is theirs now.
            where status = 'ok' or not exists (
                from temp.outcomes as new
                where new.pod_id = old.pod_id and new.metric = old.metric and new.window_from >= old.window_from
                    and new.window_to <= old.window_to and new.asked_at > old.asked_at and new.status <> 'disabled'
                    and new.window_to - new.window_from < old.window_to - old.window_from
            )
        ),
        folded as (
            select
                pod_id,
                metric,
                window_from,
                window_to,
                resolution_seconds,
                arg_max(status, asked_at) as status,
                arg_max(reason, asked_at) as reason,
                max(instants) as instants,
                max(expected_samples) as expected_samples,
                sum(attempts) as attempts,
                max(asked_at) as asked_at
            from own
            group by all
        )
        select
            *,
            status = 'ok'
            or (status in ('short', 'empty') and asked_at >= window_to + {LATE})
            or (status = 'partial' and asked_at >= window_to + {LATE} and attempts >= {ENOUGH_ATTEMPTS}) as is_final
        from folded
        """
    )
    con.execute(
        """
        create temp table spans as
        select
            pod_id,
            metric,
            least(new.asked_from, old.asked_from) as asked_from,
            greatest(new.asked_to, old.asked_to) as asked_to,
            if(new.asked_to < old.asked_to, old.resolution_seconds, new.resolution_seconds) as resolution_seconds,
            least(new.started_at, old.started_at) as started_at,
            new.ended_at,
            -- Windows on another grid than those before may begin a step early.
            least(
                coalesce(old.covered_seconds, 0) + coalesce(final.covered_seconds, 0),
                epoch(greatest(new.asked_to, old.asked_to) - least(new.asked_from, old.asked_from))
            ) as covered_seconds
        from temp.asked as new
        left join build.main.metric_spans as old using (pod_id, metric)
        left join (
            select pod_id, metric, sum(instants * resolution_seconds) as covered_seconds
            from temp.folded
            where is_final
            group by pod_id, metric
        ) as final using (pod_id, metric)
        """
    )
    _note_moves(con)
    touched = "(pod_id, metric) in (select pod_id, metric from temp.asked)"
    for table, rows in (
        ("metric_spans", "temp.spans"),
        ("metric_steps", "temp.steps"),
        ("metric_gaps", "(select * exclude (is_final) from temp.folded where not is_final)"),
    ):
        con.execute(f"delete from build.main.{table} where {touched}")
        con.execute(f"insert into build.main.{table} from {rows}")
    _note_off(con)


def _note_moves(con: duckdb.DuckDBPyConnection) -> None:
    """Put into `steps` where the resolution changes, and into `moved` the stretches of which other is expected now."""
    con.execute(
        """
        create temp table steps as
        select * from (
            select pod_id, metric, window_from as since, resolution_seconds
            from temp.outcomes
            where status <> 'disabled'
            union
            from build.main.metric_steps where (pod_id, metric) in (select pod_id, metric from temp.asked)
        )
        qualify resolution_seconds is distinct from lag(resolution_seconds) over (
            partition by pod_id, metric order by since, resolution_seconds
        )
        """
    )
    con.execute(
        """
        create temp table moved as
        with bounds as (
            select
                pod_id,
                unnest([greatest(old.asked_from, old.started_at), least(old.asked_to, old.ended_at)]) as before_at,
                unnest([greatest(new.asked_from, new.started_at), least(new.asked_to, new.ended_at)]) as after_at
            from temp.spans as new
            inner join build.main.metric_spans as old using (pod_id, metric)
        )

        select distinct pod_id, least(before_at, after_at) as from_at, greatest(before_at, after_at) as to_at
        from bounds
        where before_at <> after_at
        """
    )


def _days_that_expect_other(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        """
        select distinct cast(day as varchar)
        from build.main.series_files
        where table_name = 'pod_metrics_hourly' and exists (
            from temp.moved
            where day between cast(from_at at time zone 'UTC' as date) and cast(to_at at time zone 'UTC' as date)
        )
        """
    ).fetchall()
    return [day for (day,) in rows]


def _note_off(con: duckdb.DuckDBPyConnection) -> None:
    """Note types as off that were not given, unless they were given since."""
    con.execute(
        """
        create temp table news as
        select
            metric,
            max(asked_at) filter (status = 'disabled') as asked_at,
            arg_max(reason, asked_at) filter (status = 'disabled') as reason,
            max(asked_at) filter (status <> 'disabled') as given_at
        from temp.outcomes
        where status in ('ok', 'short', 'empty', 'disabled')
        group by metric
        """
    )
    con.execute("delete from build.main.metrics_off where metric in (select metric from temp.news)")
    con.execute(
        """
        insert into build.main.metrics_off
        select metric, asked_at, reason from temp.news where asked_at > coalesce(given_at, '-infinity')
        """
    )


def _parquet(paths: Sequence[Path]) -> str:
    return f"read_parquet({literals(paths)}, hive_partitioning = false)"
