"""Brings the marts up to date: touched and open pods are rebuilt, a few thousand at a time; the rest is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from transforms import models, runner
from transforms.models import Model

# So many pods at once keep the rebuild of a long history within a fixed amount of memory.
_POD_BATCH = 10_000
# What moves although the pod did not: no reason to call it changed.
_OBSERVATIONS = "exclude (last_observed_at)"


@dataclass(frozen=True)
class Changes:
    """Pods that differ from the last publication; a pod that is new and already completed counts in both."""

    new: int = 0
    changed: int = 0
    completed: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class BuildReport:
    """What a refresh did: rows by table, and what publishing it will change, in all and by project name."""

    as_of: datetime | None
    rows: dict[str, int]
    rebuilt_pods: int
    changes: Changes
    changes_by_project: dict[str, Changes] = field(default_factory=dict)
    seconds: float = 0.0


def refresh(con: duckdb.DuckDBPyConnection, as_of: datetime | None = None) -> BuildReport:
    """Rebuild what changed, in batches that are each complete, so that a killed refresh goes on where it stopped."""
    started = time.perf_counter()
    with runner.workspace(con):
        con.execute(
            f"""
            create temp table due as
            select pod_id, row_number() over (order by pod_id) // {_POD_BATCH} as batch
            from (
                select pod_id from build.main.touched_pods
                union
                select pod_id from build.main.known_pods where is_open
            )
            """
        )
        batches = con.execute("select batch, count(*) from due group by batch order by batch").fetchall()
        for batch, _ in batches:
            con.execute("create or replace temp table wanted as select pod_id from temp.due where batch = $1", [batch])
            _rebuild_pods(con)
    _rebuild_whole(con)
    by_project = _changes(con)
    return BuildReport(
        as_of=as_of or _latest_as_of(con),
        rows={model.name: _count(con, f"marts.main.{model.name}") for model in models.marts()},
        rebuilt_pods=sum(pods for _, pods in batches),
        changes=_total(by_project),
        changes_by_project=by_project,
        seconds=time.perf_counter() - started,
    )


def _rebuild_pods(con: duckdb.DuckDBPyConnection) -> None:
    """Rebuild every pod-grain mart for the pods in `wanted`, and write only the rows of pods that differ."""
    kept = [model for model in models.staging() if model.name == "known_pods"]
    pod_marts = [model for model in models.marts() if model.rebuilt_by == "pod_id"]
    runner.restrict(con, "wanted", ["raw_pods", "raw_pod_absences", "raw_cluster_pods", "known_pods"], as_="table")
    for model in (*models.staging(), *pod_marts):
        if model not in kept:
            runner.run(con, model)
    for model in pod_marts:
        _compare(con, model)
    # First what must be published, then the rows themselves: a kill in between publishes too much, never too little.
    _note_unpublished(con, pod_marts)
    con.begin()
    for model in pod_marts:
        con.execute(f"delete from marts.main.{model.name} where pod_id in (from temp.differing_{model.name})")
        con.execute(
            f"insert into marts.main.{model.name}"
            f" select * from temp.{model.name} where pod_id in (from temp.differing_{model.name})"
        )
    con.commit()
    con.execute("delete from build.main.touched_pods where pod_id in (from temp.wanted)")


def _compare(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Find the pods whose rows differ from those in the mart, into `differing_<mart>`."""
    con.execute(
        f"create or replace temp table former_{model.name} as"
        f" select * from marts.main.{model.name} where pod_id in (from temp.wanted)"
    )
    con.execute(f"create or replace temp table differing_{model.name} as {_difference(model.name)}")


def _difference(name: str, columns: str = "") -> str:
    new, former = f"select * {columns} from temp.{name}", f"select * {columns} from temp.former_{name}"
    return f"select distinct pod_id from (({new} except all {former}) union all ({former} except all {new}))"


def _note_unpublished(con: duckdb.DuckDBPyConnection, pod_marts: list[Model]) -> None:
    """Remember, until the next publication, which pods and which Parquet partitions differ from the last one."""
    others = " union ".join(f"from temp.differing_{model.name}" for model in pod_marts if model.name != "pods")
    con.execute(
        f"""
        create or replace temp table differing as {_difference("pods", _OBSERVATIONS)} union {others};
        create or replace temp table months as
        select pod_id, month_of(created_at) as created_month from temp.pods
        union select pod_id, month_of(created_at) from temp.former_pods
        union select pod_id, 'unknown' from temp.cluster_pods anti join temp.pods using (pod_id);
        begin;
        insert into build.main.unpublished_pods
        select differing.pod_id, former.pod_id is not null, former.is_completed, former.is_deleted
        from temp.differing left join temp.former_pods as former using (pod_id)
        where differing.pod_id not in (select pod_id from build.main.unpublished_pods);
        """
    )
    for model in pod_marts:
        con.execute(
            f"""
            insert into build.main.unpublished_partitions
            select distinct '{model.name}', created_month from temp.months
            where pod_id in (from temp.differing_{model.name})
                -- A pod that moved to another month takes its rows in every table along.
                or pod_id in (select pod_id from temp.months group by pod_id having count(*) > 1)
            except from build.main.unpublished_partitions
            """
        )
    con.commit()


def _rebuild_whole(con: duckdb.DuckDBPyConnection) -> None:
    with runner.workspace(con):
        whole = [model for model in models.marts() if model.rebuilt_by == "whole"]
        for model in whole:
            runner.run(con, model)
        con.begin()
        for model in whole:
            con.execute(f"delete from marts.main.{model.name}")
            con.execute(f"insert into marts.main.{model.name} from temp.{model.name}")
        con.commit()


def _changes(con: duckdb.DuckDBPyConnection) -> dict[str, Changes]:
    rows = con.execute(
        """
        select
            coalesce(pods.project_name, pods.project_id, ''),
            count(*) filter (where not unpublished.was_known),
            count(*) filter (where unpublished.was_known),
            count(*) filter (where pods.is_completed and not coalesce(unpublished.was_completed, false)),
            count(*) filter (where pods.is_deleted and not coalesce(unpublished.was_deleted, false))
        from build.main.unpublished_pods as unpublished
        inner join marts.main.pods using (pod_id)
        group by all
        order by all
        """
    ).fetchall()
    return {project: Changes(*counts) for project, *counts in rows}


def _total(by_project: dict[str, Changes]) -> Changes:
    every = by_project.values()
    return Changes(
        new=sum(changes.new for changes in every),
        changed=sum(changes.changed for changes in every),
        completed=sum(changes.completed for changes in every),
        deleted=sum(changes.deleted for changes in every),
    )


def _latest_as_of(con: duckdb.DuckDBPyConnection) -> datetime | None:
    row = con.execute("select max(as_of) from build.main.raw_runs").fetchone()
    return row[0] if row else None


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = con.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
