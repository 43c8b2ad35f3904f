"""Metrics: where samples lie, what they are worth, and how missing ones look."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator import TruthPod, World
from simulator.contract import Contract
from simulator.world.metrics import gauges
from tests.simulator.plane import START, Plane, text

BASIC = ["GPU_UTILIZATION", "GPU_UTILIZATION_PER_GPU", "GPU_MEMORY_USAGE_BYTES", "GPU_MEMORY_USAGE_BYTES_PER_GPU"]
BASIC += ["CPU_USAGE_CORES", "CPU_MEMORY_USAGE_BYTES"]
ADVANCED = ["GPU_SM_ACTIVITY_PER_GPU", "GPU_PCIE_RECEIVED_BANDWIDTH_PER_GPU"]


def ended(world: World, **wanted: Any) -> TruthPod:
    """A pod that ran for half an hour at least and completed."""
    for pod in world.truth():
        has = {"gpu": bool(pod.gpus), "many": len(pod.gpus) > 1}
        ran = pod.completed_at and pod.started_at and pod.completed_at - pod.started_at > timedelta(minutes=30)
        if ran and all(has[name] == value for name, value in wanted.items()):
            return pod
    raise AssertionError(f"no pod with {wanted}")


def ask(plane: Plane, pod: TruthPod, metrics: list[str], *window: datetime, samples: int = 20) -> Any:
    start, end = window
    path = f"/api/v1/workloads/{pod.workload_id}/pods/{pod.id}/metrics"
    return plane.get(path, metricType=metrics, start=start, end=end, numberOfSamples=samples)


def series(answer: Any) -> dict[tuple[str, str | None], dict[str, str]]:
    """Values by timestamp, by metric and GPU."""
    return {
        (part["type"], (part["labels"] or {}).get("gpu")): {row["timestamp"]: row["value"] for row in part["values"]}
        for part in answer["measurements"]
    }


def whole(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


@pytest.mark.parametrize("many", [False, True])
def test_values_are_the_worlds_own(untouched: Plane, many: bool) -> None:
    pod = ended(untouched.world, many=many, gpu=True)
    assert pod.started_at
    start = whole(pod.started_at) + timedelta(minutes=5)
    found = series(ask(untouched, pod, BASIC, start, start + timedelta(minutes=10), samples=10))
    assert {gpu for metric, gpu in found if metric.endswith("_PER_GPU")} == {str(gpu) for gpu in pod.gpus}
    for (metric, gpu), values in found.items():
        assert list(values) == [text(start + timedelta(minutes=k)).replace("Z", ".000Z") for k in range(10)]
        for stamp, value in values.items():
            at = datetime.fromisoformat(stamp)
            truth = untouched.world.metric_value(pod.id, metric, None if gpu is None else int(gpu), at)
            assert float(value) == truth


def test_aggregates_follow_from_the_gpus(untouched: Plane) -> None:
    pod = ended(untouched.world, many=True)
    assert pod.started_at
    at = pod.started_at + timedelta(minutes=7)

    def parts(metric: str) -> list[float]:
        values = [untouched.world.metric_value(pod.id, metric, gpu, at) for gpu in pod.gpus]
        return [value for value in values if value is not None]

    mean = sum(parts("GPU_UTILIZATION_PER_GPU")) / len(pod.gpus)
    assert untouched.world.metric_value(pod.id, "GPU_UTILIZATION", None, at) == pytest.approx(mean, abs=0.01)
    total = sum(parts("GPU_MEMORY_USAGE_BYTES_PER_GPU"))
    assert untouched.world.metric_value(pod.id, "GPU_MEMORY_USAGE_BYTES", None, at) == total


def test_nothing_lies_outside_the_running_time(untouched: Plane) -> None:
    pod = ended(untouched.world)
    assert pod.started_at
    assert pod.completed_at
    found = series(ask(untouched, pod, ["CPU_USAGE_CORES"], START, untouched.clock.now(), samples=1000))
    step = (untouched.clock.now() - START) / 1000
    wanted = [START + k * step for k in range(1000) if pod.started_at <= START + k * step < pod.completed_at]
    assert wanted
    assert len(found["CPU_USAGE_CORES", None]) == len(wanted)
    for at in (pod.started_at - timedelta(microseconds=1), pod.completed_at):
        assert untouched.world.metric_value(pod.id, "CPU_USAGE_CORES", None, at) is None


def test_nothing_lies_in_the_future(plane: Plane) -> None:
    [pod] = plane.world.add(kind="training", created_at=plane.clock.now(), started_at=plane.clock.now())
    plane.clock.advance(timedelta(minutes=10))
    start = plane.clock.now() - timedelta(minutes=10)
    found = series(ask(plane, pod, ["CPU_USAGE_CORES"], start, start + timedelta(hours=1), samples=60))
    assert len(found["CPU_USAGE_CORES", None]) == 11


@pytest.mark.parametrize(("include_end", "points"), [(False, 12), (True, 13)])
def test_n_or_n_plus_one_points(plane: Plane, include_end: bool, points: int) -> None:
    plane.switch(samples_include_end=include_end)
    pod = ended(plane.world)
    assert pod.started_at
    start = whole(pod.started_at) + timedelta(minutes=1)
    end = start + timedelta(minutes=12)
    values = series(ask(plane, pod, ["CPU_USAGE_CORES"], start, end, samples=12))["CPU_USAGE_CORES", None]
    assert len(values) == points
    assert (text(end).replace("Z", ".000Z") in values) == include_end


def test_no_samples_where_none_are_asked(untouched: Plane) -> None:
    pod = ended(untouched.world)
    assert series(ask(untouched, pod, ["CPU_USAGE_CORES"], START, untouched.clock.now(), samples=0)) == {
        ("CPU_USAGE_CORES", None): {}
    }


@pytest.mark.parametrize(("switch", "values"), [("empty", [[]]), ("null", [None]), ("omit", [])])
def test_types_without_samples(plane: Plane, switch: str, values: list[Any]) -> None:
    plane.switch(empty_series=switch)
    pod = ended(plane.world, gpu=False)
    assert pod.started_at
    answer = ask(plane, pod, ["GPU_UTILIZATION"], pod.started_at, pod.started_at + timedelta(minutes=5))
    assert [part["values"] for part in answer["measurements"]] == values


@pytest.mark.parametrize(("outcome", "status"), [("omit", 200), ("207", 207), ("400", 400)])
def test_advanced_types_that_are_off(plane: Plane, outcome: str, status: int) -> None:
    plane.switch(advanced_outcome=outcome)
    pod = ended(plane.world, gpu=True)
    path = f"/api/v1/workloads/{pod.workload_id}/pods/{pod.id}/metrics"
    window = {"start": pod.created_at, "end": pod.created_at + timedelta(minutes=90)}
    assert plane.reply(path, metricType=ADVANCED, **window).status == status
    assert plane.reply(path, metricType=BASIC, **window).status == 200
    if status != 400:
        found = ask(plane, pod, ["CPU_USAGE_CORES", *ADVANCED], window["start"], window["end"])
        assert [part["type"] for part in found["measurements"]] == ["CPU_USAGE_CORES"]
    plane.switch(advanced_metrics=True, advanced_outcome=outcome)
    assert {part["type"] for part in ask(plane, pod, ADVANCED, *window.values())["measurements"]} == set(ADVANCED)


@pytest.mark.parametrize(("types", "samples", "status"), [(3, 100, 200), (4, 100, 400), (3, 101, 400)])
def test_a_control_plane_may_grant_less_than_the_contract(plane: Plane, types: int, samples: int, status: int) -> None:
    plane.switch(most_metric_types=3, most_metric_samples=100)
    pod = ended(plane.world)
    path = f"/api/v1/workloads/{pod.workload_id}/pods/{pod.id}/metrics"
    window = {"start": pod.created_at, "end": pod.created_at + timedelta(minutes=90)}
    reply = plane.reply(path, metricType=BASIC[:types], numberOfSamples=samples, **window)
    assert reply.status == status
    assert status == 200 or json.loads(reply.body)["code"] == 400


def test_partial_answers(plane: Plane) -> None:
    plane.switch(partial_metrics=1.0)
    pod = ended(plane.world)
    answer = ask(plane, pod, BASIC, pod.created_at, pod.created_at + timedelta(hours=1))
    assert {part["type"] for part in answer["measurements"]} == set(BASIC[1:])


def test_mig_pods_report_no_utilization(plane: Plane) -> None:
    [pod] = plane.world.add(kind="sweep", started_at=plane.clock.now() - timedelta(hours=1))
    while pod.payload()["requestedResources"]["gpuRequestType"] != "migProfile":
        [pod] = plane.world.add(kind="sweep", started_at=plane.clock.now() - timedelta(hours=1))
    at = plane.clock.now() - timedelta(minutes=30)
    assert plane.world.metric_value(pod.id, "GPU_UTILIZATION_PER_GPU", pod.gpus[0], at) == 0
    assert plane.world.metric_value(pod.id, "GPU_UTILIZATION", None, at) == 0
    assert (plane.world.metric_value(pod.id, "GPU_MEMORY_USAGE_BYTES", None, at) or 0) > 0


def test_values_stay_within_what_a_pod_can_use(untouched: Plane) -> None:
    levels = []
    for pod in untouched.world.truth():
        if not pod.started_at:
            continue
        for minute in (1, 3):
            at = pod.started_at + timedelta(minutes=minute)
            used = untouched.world.metric_value(pod.id, "GPU_UTILIZATION", None, at)
            cores = untouched.world.metric_value(pod.id, "CPU_USAGE_CORES", None, at)
            asked = pod.payload()["requestedResources"]["cpu"]["request"]
            assert cores is None or 0 <= cores <= asked
            if used is not None:
                assert 0 <= used <= 100
                levels.append(used)
    assert 0 in levels
    assert max(levels) > 60


def test_retention(plane: Plane) -> None:
    plane.switch(metric_retention_days=1)
    old = ended(plane.world)
    found = series(ask(plane, old, ["CPU_USAGE_CORES"], START, plane.clock.now(), samples=1000))
    assert found == {("CPU_USAGE_CORES", None): {}}


def test_metrics_of_deleted_pods(plane: Plane) -> None:
    [pod] = plane.world.add(
        started_at=plane.clock.now() - timedelta(hours=2), deleted_at=plane.clock.now() - timedelta(hours=1)
    )
    window = {"start": pod.created_at - timedelta(hours=2), "end": plane.clock.now()}
    path = f"/api/v1/workloads/{pod.workload_id}/pods/{pod.id}/metrics"
    assert plane.reply(path, metricType=BASIC, **window).status == 200
    plane.switch(metrics_of_deleted=False)
    assert plane.reply(path, metricType=BASIC, **window).status == 404
    plane.switch()
    plane.world.purge(pod.id)
    assert plane.reply(path, metricType=BASIC, **window).status == 404


def test_a_pod_is_found_under_its_own_workload_only(untouched: Plane) -> None:
    one, *_, other = untouched.world.truth()
    path = f"/api/v1/workloads/{other.workload_id}/pods/{one.id}/metrics"
    assert untouched.reply(path, metricType=BASIC, start=START, end=untouched.clock.now()).status == 404


def test_values_that_are_no_numbers(plane: Plane) -> None:
    plane.switch(nan_samples=0.3)
    pod = ended(plane.world)
    assert pod.started_at
    assert pod.completed_at
    values = series(ask(plane, pod, ["CPU_USAGE_CORES"], pod.started_at, pod.completed_at, samples=200))
    share = sum(math.isnan(float(value)) for value in values["CPU_USAGE_CORES", None].values()) / 200
    assert 0.1 < share < 0.5


def test_histograms_stand_apart_from_2_23() -> None:
    plane = Plane("2.24", pods=600)
    nims = [pod for pod in plane.world.truth() if "/nim/" in pod.payload()["containers"][0]["image"] and pod.started_at]
    pod = nims[0]
    assert pod.started_at
    names = ["NUM_REQUESTS_RUNNING", "TIME_TO_FIRST_TOKEN_SECONDS", "E2E_REQUEST_LATENCY_SECONDS_PERCENTILES"]
    metrics = [f"NIM_{name}" for name in names]
    answer = ask(plane, pod, metrics, pod.started_at, pod.started_at + timedelta(minutes=10), samples=10)
    assert [part["type"] for part in answer["measurements"]] == metrics[:1]
    assert [part["type"] for part in answer["histogram"]] == metrics[1:]
    buckets = [int(count) for count in answer["histogram"][0]["values"][5]["data"].values()]
    assert buckets == sorted(buckets)
    assert answer["histogram"][1]["values"][0]["data"].keys() == {"p50", "p90", "p99"}
    assert "histogram" not in ask(Plane(), ended(Plane().world), BASIC, START, START + timedelta(hours=1))


def test_every_metric_of_every_version_is_known() -> None:
    versions = [Contract(version) for version in ("2.18", "2.21", "2.23", "2.24")]
    assert {name for contract in versions for name in contract.schema("MetricType")["enum"]} == gauges().keys()


def test_other_seeds_other_values() -> None:
    values = set()
    for seed in (1, 2, 3):
        world = Plane(seed=seed).world
        pod = ended(world)
        assert pod.started_at
        values.add(world.metric_value(pod.id, "CPU_MEMORY_USAGE_BYTES", None, pod.started_at + timedelta(minutes=1)))
    assert len(values) == 3
    assert datetime(2026, 1, 5, tzinfo=UTC) == START
