"""The page of the tables tells units, lineage and examples as they are."""

from __future__ import annotations

import duckdb
import pytest

from tests.readme.reference import CUT, Lineage, example, lineage, published, reference, unit
from transforms import models, runner
from transforms.models import Column, Model


def model(name: str) -> Model:
    return next(one for one in published() if one.name == name)


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """Every published table, empty."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    for one in published():
        con.execute(f"create table {one.name} ({runner.column_list(one)})")
    return con


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (Column("allocated_gpu_seconds", "double", ""), "GPU-seconds"),
        (Column("idle_gpu_hours", "double", ""), "GPU-hours"),
        (Column("wait_hours", "double", ""), "pod-hours"),
        (Column("used_gpu_memory_p95_bytes", "bigint", ""), "bytes"),
        (Column("used_gpu_p95", "double", ""), "GPUs"),
        (Column("used_cpu_cores_avg", "double", ""), "cores"),
        (Column("gpu_percent_max", "double", ""), "percent"),
        (Column("gpu_memory_coverage", "double", ""), "share, 0 to 1"),
        (
            Column("value", "double", "The value in the unit of `metric_catalogue`; null where…"),
            "by `metric_catalogue`",
        ),
        (Column("request_limit", "decimal(38, 9)", "Limit of the request (`limit`), exact."), "by `unit`"),
        (Column("created_at", "timestamptz", ""), "UTC"),
        (Column("gpu", "smallint", "Index of the GPU on its node."), ""),
        (Column("requested_text", "varchar", "Amount in bytes"), ""),
    ],
    ids=lambda value: value.name if isinstance(value, Column) else value,
)
def test_units_are_told_by_name_or_comment(column: Column, told: str) -> None:
    assert unit(column) == told


def test_lineage_goes_down_to_raw_and_stops_at_other_published_tables() -> None:
    assert lineage(model("pod_tolerations")) == Lineage(
        published=[], models=["stg_pod_versions", "stg_tolerations"], raw=["pods"], settings=[]
    )
    assert lineage(model("pods")).published == ["pod_resources"]
    assert lineage(model("pod_metrics")).raw == ["pod_metrics"]
    usage = lineage(model("gpu_usage_daily"))
    assert "reporting" in usage.settings
    assert {"pod_gpu_days", "pod_stretches"} <= set(usage.models)


@pytest.mark.parametrize("one", published(), ids=lambda one: one.name)
def test_every_table_is_made_of_raw_rows_in_the_end(one: Model) -> None:
    waiting, raw = [one], set[str]()
    seen = set[str]()
    while waiting:
        found = lineage(waiting.pop())
        raw |= set(found.raw)
        waiting += [model(name) for name in found.published if name not in seen]
        seen |= set(found.published)
    assert raw


def test_the_page_has_every_published_table_and_column(con: duckdb.DuckDBPyConnection) -> None:
    page = reference(con)
    for one in (*models.marts(), *models.series()):
        section = page.partition(f"## {one.name}\n")[2].partition("\n## ")[0]
        assert one.grain in section
        for column in one.columns:
            assert f"| `{column.name}` | {column.type} |" in section


def test_an_example_is_of_the_pod_and_tells_most(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into pod_tolerations (pod_id, key) values ('a', 'dull'), ('b', 'dull'), ('b', '')")
    con.execute("update pod_tolerations set effect = 'NoSchedule' where key = ''")
    shown = example(con, model("pod_tolerations"), "b")
    assert (shown["pod_id"], shown["key"], shown["value"]) == ("`b`", "*empty*", "")
    assert example(con, model("pod_node_pools"), "b") == {}


def test_an_example_is_short_and_keeps_to_its_cell(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "insert into pods (pod_id, pod_name, created_at, requested_gpu) values (?, ?, ?, ?)",
        [
            "a|b`c",
            "x" * 99,
            "2026-01-19 09:00:00+00",
            0.1 + 0.2,
        ],
    )
    shown = example(con, model("pods"), "a")
    assert shown["pod_id"] == "`a|b'c`"
    assert shown["pod_name"] == f"`{'x' * (CUT - 1)}…`"
    assert shown["created_at"] == "`2026-01-19 09:00:00`"
    assert shown["requested_gpu"] == "`0.3`"
    assert "`a\\|b'c`" in reference(con)


def test_what_no_two_runs_share_is_not_shown(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into runs (run_id, outcome) values ('0123', 'loaded')")
    shown = example(con, model("runs"), "")
    assert (shown["run_id"], shown["outcome"]) == ("*differs*", "`loaded`")
