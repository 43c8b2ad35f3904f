from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.run import rebuild
from pipelines.summary import warnings_of
from tests.behaviour.scene import OBSERVED, Scene, scene
from tests.behaviour.truth import differences, offered
from transforms import ReportFailed
from transforms.report import charts

OF_METRICS = (
    *("pod_metrics", "pod_metrics_hourly", "pod_metric_coverage"),
    *("pod_efficiency", "gpu_usage_daily", "focus_usage"),
)


def test_the_first_run_is_a_perfect_copy_and_every_later_one_too(here: Scene) -> None:
    result = here.run()
    assert result.first_run
    assert differences(here.pods(), offered(here.world, here.clock.now())) == []
    for hours in (6, 1, 30):
        here.advance(hours=hours)
        result = here.run()
        assert not result.first_run
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []
        assert result.reading.counts_agree
        assert result.reading.warnings == []


def test_running_twice_changes_nothing(here: Scene) -> None:
    here.run()
    here.advance(hours=5)
    here.run()
    before = here.published()
    result = here.run()
    assert result.reading.pods_changed == 0
    assert here.published() == before


def test_an_idle_run_asks_for_the_open_set_and_little_more(one: Scene) -> None:
    one.run()
    one.simulator.clear_requests()
    one.run()
    assert len(one.simulator.requests) <= 12


def test_reading_everything_again_changes_nothing(here: Scene) -> None:
    here.run()
    before = here.published()
    assert here.run(full_refresh=True).reading.pods_changed == 0
    assert here.published() == before


def test_both_destinations_publish_the_same(tmp_path: Path) -> None:
    """So that what is made of raw needs to be judged with one of them alone."""
    published = []
    for destination in ("duckdb", "filesystem"):
        with scene(tmp_path / destination, destination) as made:
            made.run(metrics="basic")
            made.advance(hours=20)
            made.run(metrics="basic")
            published.append(made.published() | {table: made.rows(table, without=OBSERVED) for table in OF_METRICS})
    assert published[0] == published[1]
    assert all(published[0][table] for table in OF_METRICS)


def test_incremental_equals_rebuild(here: Scene) -> None:
    here.run()
    for _ in range(3):
        here.advance(hours=9)
        here.run()
    before = here.published(without=())
    rebuild(here.settings())
    assert here.published(without=()) == before


def test_a_run_publishes_without_the_charts_that_it_cannot_draw(one: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    one.run()
    one.advance(hours=6)

    def fail(_: object) -> list[str]:
        raise ReportFailed("the charts could not be drawn: no")

    with monkeypatch.context() as patch:
        patch.setattr(charts, "_drawn", fail)
        result = one.run()
    assert "the charts could not be drawn: no; the report has its tables alone" in warnings_of(result)
    assert differences(one.pods(), offered(one.world, one.clock.now())) == []
    assert [text for text in warnings_of(one.run()) if "charts" in text] == []


def test_a_fresh_machine_with_only_the_destination_goes_on(here: Scene, tmp_path: Path) -> None:
    here.run()
    here.advance(hours=9)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("warehouse.duckdb", "raw"):
        if (here.data_dir / name).exists():
            (here.data_dir / name).rename(moved / name)
    result = here.run(data_dir=moved)
    assert not result.first_run
    published = {row["pod_id"]: row for row in here.rows("pods", moved)}
    assert differences(published, offered(here.world, here.clock.now())) == []


def test_parquet_and_duckdb_hold_the_same_rows(one: Scene) -> None:
    one.run()
    one.advance(hours=20)
    one.run()
    # Nothing changes: every file is a link to one of the generation before.
    one.run()
    root = (one.data_dir / "published").resolve()
    with duckdb.connect(str(root / "runai.duckdb"), read_only=True) as con:
        tables = [name for (name,) in con.execute("select table_name from duckdb_tables() order by all").fetchall()]
        assert {"pods", "pod_tolerations", "runs"} <= {*tables}
        for table in tables:
            columns = ", ".join(f'"{name}"' for name in con.table(table).columns)
            files = f"(select {columns} from '{root}/parquet/{table}/**/*.parquet')"
            apart = f"(from {table} except all from {files}) union all (from {files} except all from {table})"
            assert con.execute(f"select count(*) from ({apart})").fetchall() == [(0,)], table


def test_a_reader_that_keeps_the_database_open_neither_blocks_nor_is_blocked(one: Scene) -> None:
    one.run()
    with duckdb.connect(str(one.data_dir / "published" / "runai.duckdb"), read_only=True) as reader:
        before = reader.execute("select count(*), max(created_at) from pods").fetchall()
        one.advance(hours=40)
        assert one.run().reading.pods_new > 0
        assert reader.execute("select count(*), max(created_at) from pods").fetchall() == before
    with duckdb.connect(str(one.data_dir / "published" / "runai.duckdb"), read_only=True) as reader:
        assert reader.execute("select count(*), max(created_at) from pods").fetchall() != before


def test_an_earlier_until_stands_for_its_instant(one: Scene) -> None:
    one.run()
    at = one.clock.now()
    one.advance(hours=12)
    one.run(until=at)
    assert {row["as_of"] for row in one.rows("runs")} == {at}
    one.advance(hours=12)
    one.run()
    assert differences(one.pods(), offered(one.world, one.clock.now())) == []
    assert max(row["as_of"] for row in one.rows("runs")) == one.clock.now()


def test_a_later_until_does_not_jump_over_what_is_to_come(one: Scene) -> None:
    now = one.clock.now()
    one.run(until=now + timedelta(days=30))
    assert one.rows("runs")[0]["as_of"] == now


def test_a_clock_that_was_ahead_is_told_of_until_it_is_passed(one: Scene) -> None:
    one.run(clock_ahead=timedelta(hours=3))
    then = one.clock.now() + timedelta(hours=3)
    one.advance(hours=1)
    (warning,) = one.run().reading.warnings
    assert warning.startswith(f"the clock is 2 h behind an earlier run's: until {then:%Y-%m-%d %H:%M} UTC")
    one.clock.set(then - timedelta(minutes=5))
    assert one.run().reading.warnings == []
    one.clock.set(then + timedelta(minutes=1))
    assert one.run().reading.warnings == []
    assert differences(one.pods(), offered(one.world, one.clock.now())) == []


def test_a_dry_run_asks_nothing_and_writes_nothing(one: Scene) -> None:
    one.run()
    one.simulator.clear_requests()
    before = one.rows("runs")
    assert one.run(dry_run=True).plan
    assert one.simulator.requests == []
    assert one.rows("runs") == before


@pytest.mark.parametrize("version", ["2.18", "2.21", "2.24"])
def test_every_control_plane_version_is_read(tmp_path: Path, version: str) -> None:
    with scene(tmp_path / "data", version=version) as made:
        made.run()
        made.advance(hours=12)
        made.run()
        assert differences(made.pods(), offered(made.world, made.clock.now()), version) == []
