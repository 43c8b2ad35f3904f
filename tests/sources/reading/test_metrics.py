from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import Clock, Simulator, Switches, World, WorldConfig
from sources.runai.catalogue import BASIC, CATALOGUE, METRIC_TYPES, requests_of
from sources.runai.client import RunaiClient
from sources.runai.credentials import ClientCredentials
from sources.runai.reading.metrics import MetricReading, MetricsReport
from sources.runai.reading.windows import MetricTarget, windows_of

NOW = datetime(2026, 1, 15, tzinfo=UTC)
RUNNING = datetime(2026, 1, 14, 12, tzinfo=UTC)


@given(
    age=st.integers(0, 200_000),
    resolution=st.sampled_from([1, 7, 15, 60, 3_600]),
    offset=st.integers(0, 86_399),
)
def test_windows_cover_the_pod_without_gap_or_overlap(age: int, resolution: int, offset: int) -> None:
    as_of = NOW + timedelta(seconds=offset)
    target = MetricTarget("p", "w", as_of - timedelta(seconds=age))
    windows = list(windows_of(target, BASIC, as_of, resolution))
    assert all(0 < window.samples <= 1_000 for window in windows)
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert all(window.start.timestamp() % resolution == 0 for window in windows)
    if windows:
        assert windows[0].start <= target.since
        assert as_of - timedelta(seconds=120 + resolution) < windows[-1].end <= as_of - timedelta(seconds=120)
    else:
        assert age < 120 + 2 * resolution


@pytest.mark.parametrize("types", [(), BASIC, METRIC_TYPES])
def test_every_type_is_asked_once_and_advanced_ones_apart(types: tuple[str, ...]) -> None:
    groups = requests_of(types, 9)
    assert sorted(name for group in groups for name in group) == sorted(types)
    assert all(len(group) <= 9 for group in groups)
    assert all(len({CATALOGUE[name].family for name in group}) == 1 for group in groups)


@pytest.mark.parametrize(
    ("switches", "status"),
    [
        (Switches(), "ok"),
        (Switches(partial_metrics=1.0), "partial"),
        (Switches(forbidden=("get_workload_pod_metrics",)), "failed"),
    ],
)
def test_samples_are_the_truth_and_every_window_is_in_the_ledger(switches: Switches, status: str) -> None:
    world = World(WorldConfig(pods=50, start=NOW - timedelta(days=10)), Clock(NOW))
    (pod,) = world.add(created_at=RUNNING, started_at=RUNNING)
    target = MetricTarget(pod.id, pod.workload_id, NOW - timedelta(hours=1))
    report = MetricsReport()
    with (
        Simulator(world, switches=switches, client_secret="s").serve() as url,
        RunaiClient(url, ClientCredentials("demo", "s"), backoff=0.01) as client,
    ):
        tables = list(MetricReading(client, [target], types=BASIC, as_of=NOW, report=report).batches())
    rows = {name: table.to_pylist() for name, table in tables}
    (ledger,) = rows["metric_windows"]
    assert (ledger["status"], ledger["pod_id"]) == (status, pod.id)
    samples = rows.get("pod_metrics", [])
    assert ledger["samples"] == len(samples) == report.samples_read
    assert report.windows_failed == (status == "failed")
    assert (len(samples) > 0) == (status != "failed")
    for sample in samples:
        gpu = None if sample["gpu"] is None else int(sample["gpu"])
        assert sample["value"] == pytest.approx(
            world.metric_value(pod.id, sample["metric"], gpu, sample["sampled_at"]), rel=1e-6
        )
