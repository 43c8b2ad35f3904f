"""What of each pod's life was asked for, what came of it, and what is still wanted.

The ledger's rows pass through once. The build database keeps what they come to: by pod and metric one stretch that was
asked for, and the windows in it that are not final yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import duckdb

from transforms import models, runner
from transforms.sql import count, instant, literal

_ROWS_AT_ONCE: Final = 1_000
_PODS_AT_ONCE: Final = 2_000


def books() -> str:
    """Return the statements that create what is kept between runs."""
    return """
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
    """


def weigh(con: duckdb.DuckDBPyConnection) -> None:
    """Make of the rows in `new_windows` what the models in `ledger/` say, each as a temporary table of its name."""
    for model in models.ledger():
        runner.run(con, model)


def settle(con: duckdb.DuckDBPyConnection) -> None:
    """Replace in the books what `weigh` found to be otherwise."""
    pods = "(pod_id, metric) in (select pod_id, metric from temp.metric_asked)"
    for book, key, rows in (
        ("metric_spans", pods, "temp.metric_spans_now"),
        ("metric_steps", pods, "temp.metric_steps_now"),
        ("metric_gaps", pods, "(select * exclude (is_final) from temp.metric_windows_now where not is_final)"),
        (
            "metrics_off",
            "metric in (select metric from temp.metrics_told)",
            "(select * exclude (is_off) from temp.metrics_told where is_off)",
        ),
    ):
        con.execute(f"delete from build.main.{book} where {key}")
        con.execute(f"insert into build.main.{book} from {rows}")


def needs(
    con: duckdb.DuckDBPyConnection,
    types: Sequence[tuple[str, bool]],
    *,
    floor: datetime,
    settled: datetime,
    now: datetime,
    resolution: int,
) -> int:
    """Put what is to be asked into the temporary table `planned`, as `metric_needs` has it; return how many rows.

    Args:
        con: the build database, with every committed load taken in.
        types: metric types, and whether only pods with a GPU can have them.
        floor: where metrics begin to be wanted.
        settled: where samples may still arrive.
        now: the present, by which windows are due again.
        resolution: seconds between samples.
    """
    bounds = f"{instant(floor)} as floor_at, {instant(settled)} as settled_at, {instant(now)} as now_at"
    rows = ", ".join(f"({literal(name)}, {needs_gpu}, {place})" for place, (name, needs_gpu) in enumerate(types))
    con.execute("drop table if exists temp.planned")
    with runner.workspace(con, kept="planned"):
        con.execute(f"create temp table plan_bounds as select {bounds}, {resolution} as resolution_seconds")
        con.execute(f"create temp table plan_types as from (values {rows}) as listed (metric, needs_gpu, place)")
        wanted_types, wanted_lives, *_ = models.planning()
        runner.run(con, wanted_types)
        _show(con, wanted_lives)
        con.execute("create temp table plan_pods as select pod_id from temp.wanted_lives order by pod_id")
        # One where there is no pod: that nothing is to be asked is a plan too.
        for start in range(0, max(count(con, "temp.plan_pods"), 1), _PODS_AT_ONCE):
            _plan(con, start)
    return count(con, "temp.planned")


def _plan(con: duckdb.DuckDBPyConnection, start: int) -> None:
    """Add to `planned` what is to be asked of some pods: of all at once it would not fit into memory."""
    _, wanted_lives, wants, metric_needs = models.planning()
    with runner.workspace(con, kept="planned"):
        con.execute(f"create temp table plan_part as from temp.plan_pods limit {_PODS_AT_ONCE} offset {start}")
        runner.restrict(con, "plan_part", as_="view")
        _show(con, wanted_lives)
        runner.run(con, wants)
        for model in models.staging_of([metric_needs]):
            runner.run(con, model, as_="view")
        runner.run(con, metric_needs)
        con.execute("create temp table if not exists planned as from temp.metric_needs limit 0")
        con.execute("insert into temp.planned from temp.metric_needs")


def _show(con: duckdb.DuckDBPyConnection, model: models.Model) -> None:
    """Make a model a view, with the staging models under it that the build database does not keep."""
    kept = models.upstream("known_pods")
    for below in models.staging_of([model]):
        if below not in kept:
            runner.run(con, below, as_="view")
    runner.run(con, model, as_="view")


def planned(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `planned` in their order, some at a time."""
    for start in range(0, count(con, "temp.planned"), _ROWS_AT_ONCE):
        page = f"from temp.planned where rowid between {start} and {start + _ROWS_AT_ONCE - 1} order by rowid"
        yield from con.execute(page).fetchall()
