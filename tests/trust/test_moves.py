"""A pod that moves to another workload: one pod with one past, all of it, under the workload where it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from simulator import Switches, WorldConfig
from tests.behaviour.samples import metric_requests, sample_differences
from tests.behaviour.scene import START, Scene, scene
from tests.behaviour.truth import differences
from tests.behaviour.usage import charge_differences, usage_differences
from tests.trust.door import METRIC

OTHER = "7a1e2b54-4f57-4c39-8f0b-8d9ad1f0c001"


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, str, datetime]]:
    """Two pods, of which one moves to another workload and then to another node; its id, and when that was seen."""
    config, folder = WorldConfig(pods=0, start=START), tmp_path_factory.mktemp("moved")
    after = timedelta(hours=3)
    with scene(folder / "data", config=config, switches=Switches(keeps_allocation=True), after=after) as here:
        since = START + timedelta(hours=1)
        pod, _stays = here.world.add(2, created_at=since, started_at=since)
        here.run(metrics=(METRIC,), since=START)
        here.world.move(pod.id, OTHER)
        here.simulator.clear_requests()
        here.advance(minutes=59, seconds=30)
        here.run(metrics=(METRIC,), since=START)
        here.world.edit(pod.id, nodeName="elsewhere")
        here.advance(hours=1)
        here.run(metrics=(METRIC,), since=START)
        yield here, pod.id, here.clock.now()


def test_it_is_one_pod_in_its_workload_and_none_is_lost(moved: tuple[Scene, str, datetime]) -> None:
    here, pod_id, _ = moved
    assert differences(here.pods(), here.shown()) == []
    assert len(here.pods()) == 2
    assert here.pods()[pod_id]["workload_id"] == OTHER


def test_its_history_closes_where_a_change_was_seen(moved: tuple[Scene, str, datetime]) -> None:
    here, pod_id, seen_at = moved
    rows = sorted(
        (row for row in here.rows("pod_history") if row["pod_id"] == pod_id), key=lambda row: row["valid_from"]
    )
    *_, before, now = rows
    assert (before["valid_to"], now["valid_from"], now["valid_to"]) == (seen_at, seen_at, None)
    assert (before["node_name"] != "elsewhere", now["node_name"]) == (True, "elsewhere")
    assert [row["is_current"] for row in rows] == [*[False] * (len(rows) - 1), True]


def test_its_usage_and_charges_are_counted_once(moved: tuple[Scene, str, datetime]) -> None:
    here, pod_id, _ = moved
    assert usage_differences(here) == []
    assert charge_differences(here) == []
    assert {row["x_WorkloadId"] for row in here.rows("focus_usage") if row["ResourceId"] == pod_id} == {OTHER}


def test_its_samples_go_on_without_a_gap(moved: tuple[Scene, str, datetime]) -> None:
    here, pod_id, _ = moved
    assert sample_differences(here, START, types=[METRIC]) == []
    asked = {seen.path.split("/")[4] for seen in metric_requests(here) if pod_id in seen.path}
    assert asked == {OTHER}
