"""Brings the marts up to date: touched pods are rebuilt, a few thousand at a time; the rest is kept.

Of a pod that was only looked at, still open, nothing but the time of that look can differ: of these, only the marts are
rebuilt that read more than rows about single pods.

Most rebuilt pods come out as they were. `built_pods` remembers a hash of each pod's rows in every mart, so that only
those that differ are written, and so that a publication knows what it changes without a look at what was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from transforms import hours, models, runner, series
from transforms.models import Model
from transforms.sql import count, literal, scalar, transaction

# So many pods at once keep the rebuild of a long history within a fixed amount of memory.
_POD_BATCH = 10_000
# All that is known of metric types, in one value.
_TYPES = """
select list(known order by known)
from (
    select [metric, cast(needs_gpu as varchar)] as known from build.main.catalogue
    union all
    select [metric, reason] from build.main.metrics_off
)
"""


@dataclass(frozen=True)
class BuildReport:
    """What a refresh did: the instant that the marts stand for, rows by table, and how many pods were rebuilt."""

    as_of: datetime | None
    rows: dict[str, int]
    rebuilt_pods: int


def books() -> str:
    """Return the statements that create what a refresh keeps between runs."""
    hashes = ", ".join(f"{mart.name} hugeint" for mart in _pod_marts())
    return f"""
    -- Pods whose marts are older than their raw rows.
    create table touched_pods (pod_id varchar);
    -- Pods as they are in the marts: a hash of their rows in all of them, and in each.
    create table built_pods (pod_id varchar, created_on date, content hugeint, {hashes});
    -- What the next publication changes: pods, and days to be written again by table.
    create table unpublished_pods (pod_id varchar);
    create table unpublished_days (table_name varchar, created_on date);
    -- What the marts were made for: up to where samples are wanted, and a hash of what else is wanted of every pod.
    create table refreshed_for (settled_at timestamptz, wishes hugeint);
    """


def refresh(con: duckdb.DuckDBPyConnection, folder: Path, as_of: datetime | None = None) -> BuildReport:
    """Rebuild what changed, in batches that are each complete, so that a killed refresh goes on where it stopped.

    `folder` holds the series.
    """
    with runner.workspace(con):
        con.execute("create temp table touched as select distinct pod_id from build.main.touched_pods")
        _look_at(con)
        _forget_wishes(con)
        rebuilt = _rebuild_pods(con, folder, "touched", _pod_marts())
        rebuilt += _rebuild_pods(con, folder, "looked_at", _moving_marts())
        with transaction(con):
            con.execute("delete from build.main.refreshed_for")
            con.execute("insert into build.main.refreshed_for from temp.refreshed_for")
    _rebuild_whole(con)
    return BuildReport(
        as_of=as_of or _latest_as_of(con),
        rows={mart.name: count(con, f"marts.main.{mart.name}") for mart in models.marts()} | series.counts(con),
        rebuilt_pods=rebuilt,
    )


def _look_at(con: duckdb.DuckDBPyConnection) -> None:
    """List in `looked_at` the pods of which no row arrived though their marts may differ.

    These are the open ones, those whose end was not settled yet, and those of which metrics are awaited, for they may
    be given up by now; and every pod where metrics are wanted of another time or of other types than before.
    """
    for name in ("stg_metric_wishes", "stg_metric_lives"):
        runner.run(con, models.upstream(name)[-1], as_="view")
    con.execute(
        f"""
        create temp table refreshed_for as
        select settled_at, hash(floor_at, metric_types, ({_TYPES})) as wishes
        from (select 1) left join stg_metric_wishes on true
        """
    )
    con.execute(
        """
        create temp table looked_at as
        select distinct pod_id
        from stg_metric_lives
        inner join build.main.known_pods using (pod_id)
        left join build.main.refreshed_for as before on true
        where pod_id not in (from temp.touched) and (
            is_open
            or ended_at > before.settled_at
            or before.wishes is distinct from (select wishes from temp.refreshed_for)
            or pod_id in (
                select pod_id from marts.main.pod_metric_coverage where status in ('pending', 'failed')
            )
        )
        """
    )


def _forget_wishes(con: duckdb.DuckDBPyConnection) -> None:
    """Let a refresh that dies now not pass for one of the former wishes: some pods will have been made for the new."""
    with transaction(con):
        con.execute(
            """
            update build.main.refreshed_for set wishes = null
            where wishes is distinct from (select wishes from temp.refreshed_for)
            """
        )


def kept() -> tuple[Model, ...]:
    """Return the models whose rows the build database keeps by pod, for marts about more than one pod to add up."""
    return tuple(model for model in models.usage() if model.columns)


def _pod_marts() -> tuple[Model, ...]:
    return tuple(mart for mart in models.marts() if mart.rebuilt_by == "pod_id")


def _moving_marts() -> tuple[Model, ...]:
    """Return the marts in which a pod may differ although no row about it arrived: what they read is not by pod."""
    return tuple(mart for mart in _pod_marts() if not models.sources(mart) <= runner.POD_COLUMN.keys())


def _rebuild_pods(con: duckdb.DuckDBPyConnection, folder: Path, pods: str, marts: Sequence[Model]) -> int:
    """Rebuild these marts for the pods that the temporary table `pods` lists; return how many pods these are."""
    rebuilt = count(con, f"temp.{pods}")
    for start in range(0, rebuilt, _POD_BATCH):
        with runner.workspace(con):
            con.execute(
                f"create temp table wanted as from temp.{pods} order by pod_id limit {_POD_BATCH} offset {start}"
            )
            hours.show(con, folder, "wanted")
            _rebuild_batch(con, marts)
    return rebuilt


def _rebuild_batch(con: duckdb.DuckDBPyConnection, marts: Sequence[Model]) -> None:
    """Rebuild the pods in `wanted`. A kill between two of the steps makes the next refresh do them again.

    By then the marts may be newer than the books: what `unpublished_pods` names already is written whatever those say.
    """
    runner.restrict(con, "wanted", as_="view", inputs=["raw_pods", "raw_cluster_pods", "metric_spans", "metric_gaps"])
    runner.restrict(con, "wanted", as_="table", inputs=["known_pods"])
    for mart in _pod_marts():
        if mart not in marts:
            runner.restrict_mart(con, "wanted", mart)
    for model in models.staging_of([*marts, *models.usage()]):
        # Kept in the build database and restricted above.
        if model.name != "known_pods":
            runner.run(con, model, as_="table" if model.name in models.shared() else "view")
    for model in models.in_order([*marts, *models.usage()]):
        runner.run(con, model)
    _hash(con, marts)
    # Books first: a kill after this publishes too much, never too little.
    _note_unpublished(con)
    with transaction(con):
        for mart in marts:
            _write(con, mart)
    with transaction(con):
        for model in kept():
            con.execute(f"delete from build.main.{model.name} where pod_id in (from temp.wanted)")
            con.execute(f"insert into build.main.{model.name} from temp.{model.name}")
        con.execute("delete from build.main.built_pods where pod_id in (from temp.wanted)")
        con.execute("insert into build.main.built_pods select * exclude (is_begun, former) from temp.hashed")
        con.execute("delete from build.main.touched_pods where pod_id in (from temp.wanted)")


def _write(con: duckdb.DuckDBPyConnection, mart: Model) -> None:
    """Replace the rows of the pods that differ, or may."""
    differing = f"temp.hashed where (is_begun or {mart.name} is distinct from former.{mart.name})"
    if count(con, f"{differing} and (is_begun or former.{mart.name} is not null)"):
        con.execute(f"delete from marts.main.{mart.name} where {mart.pod_column} in (select pod_id from {differing})")
    if count(con, f"{differing} and {mart.name} is not null"):
        con.execute(
            f"insert into marts.main.{mart.name}"
            f" select * from temp.{mart.name} where {mart.pod_column} in (select pod_id from {differing})"
        )


def _hash(con: duckdb.DuckDBPyConnection, marts: Sequence[Model]) -> None:
    """Put a row as in `built_pods` for every wanted pod into `hashed`, with its former one beside it."""
    rebuilt = {mart.name: mart.pod_column for mart in marts}
    hashes = {mart.name: f"former.{mart.name}" for mart in _pod_marts()}
    hashes |= {name: f"now.{name}" for name in rebuilt}
    # The time of the last look moves although the pod did not: no reason to call it changed.
    content = " + ".join(f"coalesce({now}, 0)" for now in hashes.values())
    hashes["pods"] += " + hash(pod.last_observed_at)"
    rows = {name: f"temp.{name}" for name in rebuilt} | {"pods": "(select * exclude (last_observed_at) from temp.pods)"}
    con.execute("create or replace temp table row_hashes (pod_id varchar, mart varchar, hash hugeint)")
    for name, pod in rebuilt.items():
        # One after the other: those that are under way at once take 8 MB each, however few the rows.
        con.execute(
            f"insert into temp.row_hashes select {pod}, {literal(name)}, sum(hash(content))"
            f" from {rows[name]} as content group by {pod}"
        )
    of_marts = ", ".join(f"max(hash) filter (where mart = {literal(name)}) as {name}" for name in rebuilt)
    con.execute(
        f"""
        create or replace temp table hashed as
        select
            wanted.pod_id,
            cast(pod.created_at at time zone 'UTC' as date) as created_on,
            {content} as content,
            {", ".join(f"{now} as {name}" for name, now in hashes.items())},
            wanted.pod_id in (from build.main.unpublished_pods) as is_begun,
            former
        from temp.wanted
        left join temp.pods as pod using (pod_id)
        left join (select pod_id, {of_marts} from temp.row_hashes group by pod_id) as now using (pod_id)
        left join (
            select * from build.main.built_pods where pod_id in (from temp.wanted)
        ) as former using (pod_id)
        """
    )


def _note_unpublished(con: duckdb.DuckDBPyConnection) -> None:
    """Remember, until the next publication, which pods and which days of which tables differ from the last one."""
    # A pod that moved to another day takes its rows in every table along.
    moved = "(former is not null and created_on is distinct from former.created_on)"
    differing = ", ".join(
        f"if({mart.name} is distinct from former.{mart.name} or {moved}, '{mart.name}', null)" for mart in _pod_marts()
    )
    with transaction(con):
        con.execute(
            """
            insert into build.main.unpublished_pods
            select pod_id from temp.hashed where content is distinct from former.content
            except from build.main.unpublished_pods
            """
        )
        con.execute(
            f"""
            insert into build.main.unpublished_days
            select table_name, unnest([created_on, former_on])
            from (
                select distinct unnest([{differing}]) as table_name, created_on, former.created_on as former_on
                from temp.hashed
            )
            where table_name is not null
            except from build.main.unpublished_days
            """
        )


def _rebuild_whole(con: duckdb.DuckDBPyConnection) -> None:
    whole: Sequence[Model] = [mart for mart in models.marts() if mart.rebuilt_by == "whole"]
    with runner.workspace(con):
        for name in {mart.name for mart in _pod_marts()} & frozenset().union(*(mart.inputs for mart in whole)):
            runner.restrict_to(con, name, f"marts.main.{name}")
        for mart in whole:
            runner.run(con, mart)
        with transaction(con):
            for mart in whole:
                con.execute(f"delete from marts.main.{mart.name}")
                con.execute(f"insert into marts.main.{mart.name} from temp.{mart.name}")


def _latest_as_of(con: duckdb.DuckDBPyConnection) -> datetime | None:
    latest: datetime | None = scalar(con, "select max(as_of) from build.main.raw_runs")
    return latest
