"""Samples end to end: every one that the API offered is published once, however often and when one ran."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import run as protocol
from pipelines.run import rebuild
from simulator import Fault, Switches, WorldConfig
from simulator.world.config import Outage
from simulator.world.metrics import gauges
from sources.runai.catalogue import BASIC, metrics_of
from sources.runai.errors import SignInError
from tests.behaviour.samples import book, metric_requests, sample_differences, series_of
from tests.behaviour.scene import START, Scene, scene

DAY = timedelta(days=1)
ALL = metrics_of((2, 21))
SWITCHABLE = {name for name in ALL if gauges()[name].is_advanced}


@contextmanager
def small(data_dir: Path, destination: str = "duckdb", **facts: Any) -> Iterator[Scene]:
    """A world with a handful of pods that run, as it is at noon."""
    config = facts.pop("config", WorldConfig(pods=40, start=START))
    with scene(data_dir, destination, config=config, after=timedelta(days=10, hours=12), **facts) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path, destination: str) -> Iterator[Scene]:
    with small(tmp_path / "data", destination) as made:
        yield made


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Scene]:
    with small(tmp_path / "data") as made:
        yield made


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Scene]:
    """A world in which nothing runs but what the test adds."""
    with small(tmp_path / "data", config=WorldConfig(pods=1, start=START, life_scale=0.001)) as made:
        yield made


def start_pods(here: Scene, count: int = 2, ago: timedelta = timedelta(hours=5), **instants: Any) -> list[str]:
    created = here.clock.now() - ago
    return [pod.id for pod in here.world.add(count, created_at=created, started_at=created, **instants)]


def test_every_sample_is_there_once_however_often_one_ran(here: Scene) -> None:
    ends, stays = start_pods(here)
    floor = here.clock.now() - DAY
    here.run(metrics="basic")
    assert sample_differences(here, floor) == []
    here.advance(minutes=53)
    here.world.complete(ends, here.clock.now() - timedelta(minutes=17, seconds=3))
    start_pods(here, ago=timedelta(minutes=40), completed_at=here.clock.now() - timedelta(minutes=9))
    gone, _ = start_pods(here, ago=timedelta(minutes=31))
    here.world.delete(gone, here.clock.now() - timedelta(minutes=4))
    start_pods(here, ago=timedelta(hours=30), visible_from=here.clock.now() + timedelta(minutes=20))
    here.run(metrics="basic")
    assert sample_differences(here, floor) == []
    here.advance(hours=1)
    here.world.delete(stays)
    here.run(metrics="basic")
    assert sample_differences(here, floor) == []
    here.advance(days=3, minutes=7)
    here.run(metrics="basic")
    assert sample_differences(here, floor) == []


def test_the_floor_moves_back_and_only_back(one: Scene) -> None:
    start_pods(one, ago=timedelta(days=4))
    floor = one.clock.now() - DAY
    one.run(metrics="basic")
    one.advance(hours=1)
    start_pods(one, completed_at=one.clock.now() - timedelta(hours=3))
    one.run(metrics="basic", since=one.clock.now() - timedelta(hours=2))
    assert sample_differences(one, floor) == []
    deep = floor - timedelta(days=2, minutes=5, seconds=7)
    one.run(metrics="basic", since=deep)
    assert sample_differences(one, deep) == []
    one.advance(hours=1)
    one.simulator.clear_requests()
    one.run(metrics="basic")
    assert sample_differences(one, deep) == []
    assert all(
        seen.params["start"] > f"{one.clock.now() - timedelta(hours=2):%Y-%m-%d}" for seen in metric_requests(one)
    )


def test_a_run_that_dies_while_the_floor_moves_back_leaves_no_hole(
    quiet: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_pods(quiet, ago=timedelta(days=6))
    quiet.run(metrics="basic")
    deep = quiet.clock.now() - timedelta(days=5)
    quiet.simulator.switches = Switches(latency=0.05)
    load, loads = protocol._Run._load, count(1)

    def mortal(run: Any, resources: list[Any]) -> None:
        load(run, resources)
        # The pods, and the first checkpoint.
        if next(loads) == 2:
            raise RuntimeError("dies")

    with monkeypatch.context() as patch:
        patch.setattr(protocol, "CHECKPOINT", timedelta(milliseconds=20))
        patch.setattr(protocol._Run, "_load", mortal)
        with pytest.raises(RuntimeError, match="dies"):
            quiet.run(metrics="basic", since=deep)
    quiet.simulator.clear_requests()
    quiet.run(metrics="basic", since=deep)
    assert len(metric_requests(quiet)) > 0
    assert sample_differences(quiet, deep) == []


def test_a_run_that_failed_moved_the_floor_too(quiet: Scene) -> None:
    """Coverage counts from there, so that must be asked for."""
    start_pods(quiet, ago=timedelta(days=3))
    deep = quiet.clock.now() - timedelta(days=2)
    quiet.simulator.switches = Switches(faults=(Fault("/metrics", status=401),))
    with pytest.raises(SignInError):
        quiet.run(metrics="basic", since=deep)
    quiet.simulator.switches = Switches()
    quiet.run(metrics="basic")
    assert sample_differences(quiet, deep) == []
    assert {row["status"] for row in quiet.rows("pod_metric_coverage")} <= {"ok", "not_applicable"}


def test_an_earlier_until_bounds_windows_and_loses_none(quiet: Scene) -> None:
    _, failing = start_pods(quiet, ago=timedelta(days=2))
    until = quiet.clock.now() - timedelta(hours=6)
    quiet.run(metrics="basic", until=until)
    assert sample_differences(quiet, until - DAY, until) == []
    quiet.simulator.switches = Switches(faults=(Fault(f"{failing}/metrics", status=500),))
    assert quiet.run(metrics="basic").metrics.windows_failed > 0
    quiet.simulator.switches = Switches()
    quiet.advance(minutes=1)
    # It ends amid the windows that failed.
    quiet.run(metrics="basic", until=until + timedelta(hours=2))
    quiet.run(metrics="basic")
    assert sample_differences(quiet, until - DAY) == []


def test_running_again_at_once_asks_for_nothing_and_links_every_file(one: Scene) -> None:
    one.run(metrics="basic")
    one.advance(hours=13)
    one.run(metrics="basic")
    before, nodes = series_of(one), inodes(one)
    one.simulator.clear_requests()
    one.run(metrics="basic")
    assert metric_requests(one) == []
    assert series_of(one) == before
    assert inodes(one) == nodes


@pytest.mark.parametrize(("types", "groups"), [("basic", 1), ("all", 3)])
def test_one_request_for_each_pod_hour_and_group_of_types(quiet: Scene, types: str, groups: int) -> None:
    quiet.simulator.switches = Switches(advanced_metrics=True)
    floor = quiet.clock.now() - DAY
    start_pods(quiet, count=5)
    quiet.run(metrics=types)
    for _ in range(2):
        quiet.advance(hours=1)
        quiet.simulator.clear_requests()
        quiet.run(metrics=types)
        assert len(metric_requests(quiet)) == 5 * groups
    assert sample_differences(quiet, floor, types=BASIC if types == "basic" else ALL) == []


def test_a_window_that_failed_is_asked_for_again_and_no_other(quiet: Scene) -> None:
    failing, _ = start_pods(quiet)
    floor = quiet.clock.now() - DAY
    quiet.run(metrics="basic")
    quiet.advance(hours=1)
    quiet.simulator.switches = Switches(faults=(Fault(f"{failing}/metrics", status=500),))
    assert quiet.run(metrics="basic").metrics.windows == {"ok": 1, "failed": 1}
    lacking = sample_differences(quiet, floor)
    assert len(lacking) > 0
    assert all(failing in said and "lost" in said for said in lacking)
    quiet.simulator.switches = Switches()
    assert quiet.run(metrics="basic").metrics.windows == {"ok": 1}
    assert sample_differences(quiet, floor) == []
    assert book(quiet, "metric_gaps") == []


def test_neighbours_that_failed_are_asked_for_together(quiet: Scene) -> None:
    failing, _ = start_pods(quiet)
    floor = quiet.clock.now() - DAY
    quiet.run(metrics="basic")
    quiet.simulator.switches = Switches(faults=(Fault(f"{failing}/metrics", status=500),))
    for hour in range(1, 6):
        quiet.advance(hours=1)
        windows = quiet.run(metrics="basic").metrics.windows
        assert windows == {"ok": 1, "failed": min(hour, 2)}
    quiet.simulator.switches = Switches()
    quiet.advance(hours=1)
    quiet.simulator.clear_requests()
    quiet.run(metrics="basic")
    # The hours that failed, and the last one of either pod.
    assert len(metric_requests(quiet)) == 3
    assert sample_differences(quiet, floor) == []
    assert book(quiet, "metric_gaps") == []
    spans = book(quiet, "metric_spans")
    assert all(span["covered_seconds"] == (span["asked_to"] - span["asked_from"]).total_seconds() for span in spans)
    before = series_of(quiet)
    rebuild(quiet.settings())
    assert (book(quiet, "metric_spans"), book(quiet, "metric_gaps"), series_of(quiet)) == (spans, [], before)


def test_an_outage_that_is_longer_than_a_request_is_made_good(quiet: Scene) -> None:
    failing, _ = start_pods(quiet)
    floor = quiet.clock.now() - DAY
    quiet.simulator.switches = Switches(faults=(Fault(f"{failing}/metrics", status=500),))
    for hours in (0, 6, 7, 6, 1):
        quiet.advance(hours=hours)
        quiet.run(metrics="basic")
    # What is granted is less now, so that windows are cut across those that failed.
    quiet.simulator.switches = Switches(most_metric_samples=210)
    quiet.advance(minutes=1)
    quiet.run(metrics="basic")
    assert sample_differences(quiet, floor) == []
    assert book(quiet, "metric_gaps") == []
    spans = book(quiet, "metric_spans")
    assert all(span["covered_seconds"] == (span["asked_to"] - span["asked_from"]).total_seconds() for span in spans)
    rebuild(quiet.settings())
    assert (book(quiet, "metric_spans"), book(quiet, "metric_gaps")) == (spans, [])


def test_only_the_first_run_with_metrics_says_from_when_on(quiet: Scene) -> None:
    start_pods(quiet, count=1)
    told = [quiet.run(metrics=types).first_metrics for types in ("none", "basic", "basic")]
    assert told == [False, True, False]


def test_a_dry_run_says_how_much_there_is_to_ask(quiet: Scene) -> None:
    start_pods(quiet, count=24)
    said = quiet.run(metrics="basic", dry_run=True, concurrency=4).plan[-1]
    assert "how many requests is known once pods are" in said
    quiet.run(metrics="basic", concurrency=4)
    quiet.advance(hours=2)
    started = f"from {quiet.clock.now() - timedelta(hours=26):%Y-%m-%d %H:%M} UTC on, every 60 s"
    told = f"metrics: 24 requests for up to {24 * 6 * 120:,} samples (of each GPU) of 24 pods, {started}"
    # Nothing was measured with as many requests at once.
    assert quiet.run(metrics="basic", dry_run=True, concurrency=8).plan[-1] == told
    said = quiet.run(metrics="basic", dry_run=True, concurrency=4).plan[-1]
    assert said.startswith(f"{told}; about ")
    assert said.endswith(" s, at the pace of the last run")


def test_types_that_an_answer_leaves_out_are_asked_for_until_they_are_final(quiet: Scene) -> None:
    start_pods(quiet, count=1, completed_at=quiet.clock.now() - timedelta(minutes=30))
    floor = quiet.clock.now() - DAY
    quiet.simulator.switches = Switches(partial_metrics=1.0)
    statuses = []
    for hours in (0, 0, 1, 1, 23, 1, 1, 24):
        quiet.advance(hours=hours)
        statuses.append(dict(quiet.run(metrics="basic").metrics.windows))
    asked = {"partial": 1}
    assert statuses == [asked, {}, asked, {}, asked, {}, {}, {}]
    (said,) = sample_differences(quiet, floor)
    assert f"{BASIC[0]} -1: " in said
    assert book(quiet, "metric_gaps") == []


def test_types_that_were_left_out_once_are_made_good(quiet: Scene) -> None:
    start_pods(quiet)
    floor = quiet.clock.now() - DAY
    quiet.simulator.switches = Switches(partial_metrics=1.0)
    quiet.run(metrics="basic")
    quiet.simulator.switches = Switches()
    quiet.advance(hours=1)
    quiet.run(metrics="basic")
    assert sample_differences(quiet, floor) == []
    assert book(quiet, "metric_gaps") == []


@pytest.mark.parametrize("empty", ["empty", "null", "omit"])
def test_samples_that_a_cluster_sends_hours_late_are_asked_for_again(tmp_path: Path, empty: Any) -> None:
    noon = START + timedelta(days=10, hours=12)
    dark = tuple(Outage(noon - timedelta(hours=1), noon + timedelta(hours=2), place) for place in range(3))
    config = WorldConfig(pods=40, start=START, outages=dark)
    with small(tmp_path / "data", config=config, switches=Switches(empty_series=empty)) as here:
        start_pods(here)
        for minutes in (0, 50, 50, 90, 24 * 60, 60):
            here.advance(minutes=minutes)
            here.run(metrics="basic")
            lacking = sample_differences(here, noon - DAY, min(here.clock.now(), dark[0].start))
            assert [said for said in lacking if "lost" in said] == []
        assert sample_differences(here, noon - DAY) == []
        here.simulator.clear_requests()
        here.run(metrics="basic")
        assert metric_requests(here) == []


def test_what_never_comes_is_given_up_after_a_day(quiet: Scene) -> None:
    start_pods(quiet, count=1, completed_at=quiet.clock.now() - timedelta(minutes=30))
    quiet.simulator.switches = Switches(metric_retention_days=0.0)
    statuses = []
    for hours in (0, 0, 1, 1, 23, 24):
        quiet.advance(hours=hours)
        statuses.append(dict(quiet.run(metrics="basic").metrics.windows))
    asked = {"empty": 1}
    assert statuses == [asked, {}, asked, {}, asked, {}]
    assert book(quiet, "metric_gaps") == []


@pytest.mark.parametrize("outcome", ["omit", "207", "400"])
def test_types_that_are_switched_off_are_asked_for_daily_and_had_in_full_later(quiet: Scene, outcome: Any) -> None:
    start_pods(quiet, count=6)
    floor = quiet.clock.now() - DAY
    quiet.simulator.switches = Switches(advanced_outcome=outcome)
    quiet.run(metrics="all")
    always = [name for name in ALL if name not in SWITCHABLE]
    assert sample_differences(quiet, floor, types=always) == []
    assert {row["metric"] for row in book(quiet, "metrics_off")} == SWITCHABLE
    quiet.advance(hours=1)
    quiet.simulator.clear_requests()
    quiet.run(metrics="all")
    # The basic types, and the one of the others that needs no switch.
    assert len(metric_requests(quiet)) == 2 * 6
    quiet.simulator.switches = Switches(advanced_metrics=True)
    quiet.advance(hours=23)
    quiet.run(metrics="all")
    assert sample_differences(quiet, floor, types=ALL) == []
    assert book(quiet, "metrics_off") == []
    rebuild(quiet.settings())
    assert book(quiet, "metrics_off") == []


ODD = {
    "the end is included": Switches(samples_include_end=True),
    "disturbed": Switches(
        faults=(
            Fault("/metrics", status=503, probability=0.2),
            Fault("/metrics", kind="truncated", probability=0.2),
            Fault("/metrics", kind="html", status=502, probability=0.1),
        )
    ),
    "no numbers": Switches(nan_samples=0.2),
    "unknown labels": Switches(unknown_fields=1.0),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_answers_give_every_sample_once(tmp_path: Path, name: str) -> None:
    with small(tmp_path / "data", switches=ODD[name]) as here:
        floor = here.clock.now() - DAY
        for minutes in (0, 60, 45):
            here.advance(minutes=minutes)
            here.run(metrics="basic")
        # Whatever was given up after its retries is had now.
        here.simulator.switches = Switches() if name == "disturbed" else ODD[name]
        here.run(metrics="basic")
        assert sample_differences(here, floor) == []
        rows = here.rows("pod_metrics")
        assert {row["value_text"] for row in rows if row["value"] is None} == (
            {"NaN"} if name == "no numbers" else set()
        )
        assert {row["labels"] for row in rows} == {'{"device":"nvidia0"}' if name == "unknown labels" else None}


@pytest.mark.parametrize("version", ["2.20", "2.24"])
def test_a_slice_that_no_field_tells_of_has_samples_though_nobody_saw_it_run(tmp_path: Path, version: str) -> None:
    config = WorldConfig(pods=1, start=START, life_scale=0.001)
    with small(tmp_path / "data", config=config, version=version) as here:
        floor, created = here.clock.now() - DAY, here.clock.now() - timedelta(hours=1)
        over = created + timedelta(minutes=30)
        (pod,) = next(
            pods
            for pods in (
                here.world.add(kind="sweep", created_at=created, completed_at=over, deleted_at=over) for _ in count()
            )
            if pods[0].pod.workload.request.mig
        )
        types = ("GPU_MEMORY_USAGE_BYTES",)
        here.run(metrics=types)
        assert [said for said in sample_differences(here, floor, types=types) if pod.id in said] == []
        (row,) = [row for row in here.rows("pod_metric_coverage") if row["pod_id"] == pod.id]
        assert (row["status"], row["reason"]) == ("ok", None)


def test_series_of_several_gpus_that_get_another_label_are_published(quiet: Scene) -> None:
    """Around the change an instant has two series of each GPU, and that is no sample twice."""
    created = quiet.clock.now() - timedelta(hours=1)
    (pod,) = next(
        pods
        for pods in (quiet.world.add(created_at=created, started_at=created) for _ in count())
        if len(pods[0].gpus) > 1
    )
    for unknown_fields in (0.0, 1.0):
        quiet.simulator.switches = Switches(samples_include_end=True, unknown_fields=unknown_fields)
        quiet.run(metrics=("GPU_UTILIZATION_PER_GPU",))
        edge = quiet.clock.now() - timedelta(minutes=2)
        quiet.advance(minutes=30)
    edge -= timedelta(minutes=30)
    rows = [row for row in quiet.rows("pod_metrics") if (row["pod_id"], row["sampled_at"]) == (pod.id, edge)]
    wanted = {(gpu, labels) for gpu in pod.gpus for labels in (None, '{"device":"nvidia0"}')}
    assert {(row["gpu"], row["labels"]) for row in rows} == wanted
    assert len(rows) == len(wanted)


def test_an_hour_says_how_much_of_what_was_expected_is_there(quiet: Scene) -> None:
    (pod,) = start_pods(quiet, count=1)
    quiet.advance(minutes=32)
    quiet.run(metrics="basic")
    noon = quiet.clock.now().replace(minute=0)
    assert coverage_at(quiet, noon) == {(30, 30)}
    quiet.advance(minutes=38)
    quiet.simulator.switches = Switches(faults=(Fault("/metrics", status=500),))
    quiet.run(metrics="basic")
    assert coverage_at(quiet, noon) == {(30, 60)}
    quiet.simulator.switches = Switches()
    quiet.run(metrics="basic")
    assert coverage_at(quiet, noon) == {(60, 60)}
    quiet.advance(minutes=20)
    quiet.world.complete(pod, quiet.clock.now() - timedelta(minutes=7, seconds=30))
    quiet.run(metrics="basic")
    assert coverage_at(quiet, noon + timedelta(hours=1)) == {(23, 23)}


def test_another_resolution_neither_reads_again_nor_counts_twice(quiet: Scene) -> None:
    start_pods(quiet)
    floor = quiet.clock.now() - DAY
    quiet.advance(minutes=10)
    quiet.run(metrics="basic")
    for minutes, seconds, resolution in ((60, 23, 15), (50, 34, 60)):
        quiet.advance(minutes=minutes, seconds=seconds)
        quiet.simulator.clear_requests()
        quiet.run(metrics="basic", resolution=resolution)
        assert len(metric_requests(quiet)) == 2
    assert all(hour["coverage"] == 1 for hour in quiet.rows("pod_metrics_hourly"))
    assert [said for said in sample_differences(quiet, floor) if "made up" not in said] == []
    assert [said for said in sample_differences(quiet, floor, resolution=15) if "lost" not in said] == []
    for span in book(quiet, "metric_spans"):
        assert span["covered_seconds"] <= (span["asked_to"] - span["asked_from"]).total_seconds()
    before = series_of(quiet)
    rebuild(quiet.settings())
    assert series_of(quiet) == before


def test_rebuilding_gives_what_many_runs_gave(here: Scene) -> None:
    """Whatever was failed, left out, late, asked for again or at another resolution on the way."""
    failing, ends, *_ = start_pods(here, count=5)
    here.run(metrics="basic")
    here.advance(minutes=32)
    here.simulator.switches = Switches(faults=(Fault(f"{failing}/metrics", status=500),))
    here.run(metrics="basic")
    here.advance(minutes=45)
    here.simulator.switches = Switches(partial_metrics=0.5, samples_include_end=True)
    here.run(metrics="basic", resolution=15)
    here.simulator.switches = Switches(metric_retention_days=0.03)
    here.world.complete(ends, here.clock.now() - timedelta(minutes=20))
    here.advance(hours=2)
    here.run(metrics="all", since=here.clock.now() - timedelta(days=2))
    here.simulator.switches = Switches(advanced_metrics=True)
    here.advance(hours=25)
    here.run(metrics="all")
    before, gaps = series_of(here), [book(here, name) for name in ("metric_gaps", "metric_spans", "metrics_off")]
    rebuild(here.settings())
    after = series_of(here)
    assert [book(here, name) for name in ("metric_gaps", "metric_spans", "metrics_off")] == gaps
    assert after["pod_metrics"] == before["pod_metrics"]
    assert after["pod_metrics_hourly"] == before["pod_metrics_hourly"]


def test_a_day_that_is_over_is_one_file_pod_by_pod_and_readers_keep_what_they_opened(one: Scene) -> None:
    start_pods(one, count=20)
    one.run(metrics="all")
    with duckdb.connect(str(one.data_dir / "published" / "runai.duckdb"), read_only=True) as reader:
        before = reader.execute("select count(*), max(sampled_at) from pod_metrics").fetchall()
        for hours in (5, 6, 6):
            one.advance(hours=hours)
            one.run(metrics="all")
        days = list((one.data_dir / "published" / "parquet" / "pod_metrics").iterdir())
        assert len(days) == 3
        for day in sorted(days)[:-1]:
            (file,) = day.iterdir()
            pods = [row[0] for row in duckdb.sql(f"select pod_id from '{file}'").fetchall()]
            assert len(pods) > 0
            # Two lists of this length that differ would take a minute to explain.
            assert sum(left > right for left, right in pairwise(pods)) == 0
        assert reader.execute("select count(*), max(sampled_at) from pod_metrics").fetchall() == before


def coverage_at(here: Scene, hour: datetime) -> set[tuple[int, int]]:
    """Samples and expected samples that the series of an hour have."""
    rows = [row for row in here.rows("pod_metrics_hourly") if row["hour_at"] == hour]
    return {(row["samples"], row["expected_samples"]) for row in rows}


def inodes(here: Scene) -> dict[str, int]:
    root = (here.data_dir / "published" / "parquet").resolve()
    return {str(path.relative_to(root)): path.stat().st_ino for path in root.glob("pod_metrics*/*/*.parquet")}


def test_a_generation_that_was_moved_is_read_by_its_folder(one: Scene, tmp_path: Path) -> None:
    one.run(metrics="basic")
    moved = tmp_path / "moved"
    shutil.copytree((one.data_dir / "published").resolve(), moved)
    shutil.rmtree(one.data_dir)
    with duckdb.connect(str(moved / "runai.duckdb"), read_only=True) as con:
        with pytest.raises(duckdb.IOException):
            con.execute("from pod_metrics")
        for table in ("pod_metrics", "pod_metrics_hourly"):
            assert con.execute(f"select count(*) > 0 from {table}_in('{moved}')").fetchone() == (True,)
        undocumented = con.execute(
            "select table_name, column_name from duckdb_columns() where not internal and comment is null"
        ).fetchall()
    # The partition's own column comes with the files.
    assert {column for _, column in undocumented} == {"sampled_on"}
