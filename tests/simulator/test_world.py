"""The world is a pure function of seed and clock, and its truth is consistent with itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator import Clock, TruthPod, World, WorldConfig
from simulator.instants import parse_rfc3339
from tests.simulator.plane import START, Plane

WEEK = timedelta(days=7)


def world(after: timedelta, **traits: Any) -> World:
    return World(WorldConfig(**{"pods": 300, "start": START, "days": 7, **traits}), Clock(START + after))


def facts(pods: list[TruthPod]) -> list[Any]:
    return [(pod.payload(), pod.phases, pod.visible_from, pod.purged_at) for pod in pods]


def test_the_same_seed_and_clock_give_the_same_world() -> None:
    assert facts(world(WEEK).truth()) == facts(world(WEEK).truth())


def test_another_seed_gives_another_world() -> None:
    assert {pod.id for pod in world(WEEK).truth()}.isdisjoint(pod.id for pod in world(WEEK, seed=8).truth())


def test_how_far_it_has_grown_does_not_matter() -> None:
    """A world that has seen three weeks tells of the first one what a young world tells."""
    old, young = world(3 * WEEK), world(WEEK / 2)
    assert len(old.truth()) > 600
    assert facts(old.truth_at(START + WEEK / 2)) == facts(young.truth())


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    moved = world(WEEK)
    before = facts(moved.truth())
    moved.clock.advance(2 * WEEK)
    assert len(moved.truth()) > len(before)
    moved.clock.set(START + WEEK)
    assert facts(moved.truth()) == before


def test_so_many_pods_are_planned_in_every_stretch() -> None:
    grown = world(2 * WEEK - timedelta(microseconds=1))
    grown.truth()
    assert len(grown.truth_at(START + 30 * WEEK)) >= 600
    planned = world(WEEK - timedelta(microseconds=1)).truth_at(START + timedelta(days=6, hours=23))
    assert 270 < len(planned) <= 300


@pytest.mark.parametrize("days", [0, 1, 3.5, 7, 20])
def test_every_life_is_consistent(days: float) -> None:
    at = START + timedelta(days=days)
    for pod in world(timedelta(days=days), late_share=0.2).truth():
        known = [pod.created_at, pod.started_at, pod.completed_at]
        order = [instant for instant in known if instant is not None]
        assert order == sorted(order)
        assert all(instant <= at for instant in order)
        assert pod.deleted_at is None or pod.deleted_at >= max(order)
        assert pod.completed_at is None or pod.started_at is not None
        assert pod.purged_at is None or pod.deleted_at is not None
        assert pod.visible_from >= pod.created_at
        _check_spans(pod)


def _check_spans(pod: TruthPod) -> None:
    spans = pod.phases
    assert spans[0].start == pod.created_at
    assert [span.to for span in spans[:-1]] == [span.start for span in spans[1:]]
    assert all(span.to is None or span.start < span.to for span in spans)
    assert spans[-1].to == pod.deleted_at
    running = [span for span in spans if span.phase == "Running"]
    assert [span.start for span in running] == ([pod.started_at] if pod.started_at else [])
    for span in spans:
        assert (span.node is None) == (span.pool is None)
        assert span.allocated_gpu is None or span.node is not None


def test_the_payload_tells_the_truth() -> None:
    for pod in world(WEEK).truth():
        shown = pod.payload()
        assert _milliseconds(pod.created_at) == shown["createdAt"]
        assert _milliseconds(pod.completed_at) == shown["completedAt"]
        assert _milliseconds(pod.deleted_at) == shown["deletedAt"]
        assert shown["k8sPhase"] == pod.phases[-1].phase
        assert shown["nodeName"] == pod.phases[-1].node
        is_over = pod.completed_at or pod.deleted_at
        assert (shown["allocatedResources"] is None) == bool(is_over or pod.phases[-1].node is None)
        assert (shown["ip"] is None) == bool(is_over or pod.started_at is None)
        assert shown["projectName"]
        stamps = [shown[name] for name in ("createdAt", "k8sPhaseUpdatedAt", "updatedAt")]
        assert stamps == sorted(stamps, key=parse_rfc3339)


def _milliseconds(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def test_a_payload_of_the_past() -> None:
    pod = next(pod for pod in world(WEEK).truth() if pod.completed_at)
    assert pod.payload()["k8sPhase"] in {"Succeeded", "Failed"}
    assert pod.payload(pod.started_at)["k8sPhase"] == "Running"
    assert pod.payload(pod.created_at)["nodeName"] is None
    assert pod.payload(pod.created_at)["completedAt"] is None


def test_the_world_has_everything_that_a_cluster_has() -> None:
    pods = world(2 * WEEK, pods=1500).truth()
    payloads = [pod.payload() for pod in pods]
    requests = [payload["requestedResources"] for payload in payloads]
    images = [container["image"] for payload in payloads for container in payload["containers"]]
    assert len({pod.cluster_id for pod in pods}) == 2
    assert {pod.kind for pod in pods} == {
        *("training", "distributed", "sweep", "workspace", "inference", "cpu", "oversized"),
    }
    assert {payload["k8sPhase"] for payload in payloads} == {"Pending", "Running", "Succeeded", "Failed"}
    assert {request["gpuRequestType"] for request in requests} == {"portion", "memory", "migProfile", None}
    assert {0.25, 0.5, 1, 8} <= {(request["gpu"] or {}).get("request") for request in requests}
    assert any(request["extendedResources"] for request in requests)
    assert any(payload["revisionId"] for payload in payloads)
    assert any("@sha256:" in image for image in images)
    assert any(":5000/" in image for image in images)
    assert any(":" not in image for image in images)
    assert any(len(payload["containers"]) == 2 for payload in payloads)
    assert any(
        payload["nodeName"] and payload["currentNodePool"] != payload["requestedNodePools"][0] for payload in payloads
    )


def test_gangs_restarts_and_preemptions() -> None:
    pods = world(2 * WEEK, pods=1500).truth()
    by_workload: dict[str, list[TruthPod]] = {}
    for pod in pods:
        by_workload.setdefault(pod.workload_id, []).append(pod)
    gangs = [gang for gang in by_workload.values() if gang[0].kind == "distributed"]
    assert any(len({pod.created_at for pod in gang}) < len(gang) / 2 for gang in gangs)
    singles = [gang for gang in by_workload.values() if gang[0].kind == "training" and len(gang) > 1]
    assert any(gang[0].payload()["k8sPhase"] == "Failed" for gang in singles)
    assert any(gang[0].completed_at is None and gang[0].deleted_at for gang in singles)
    assert all(later.created_at > gang[0].created_at for gang in singles for later in gang[1:])
    never = [pod for pod in pods if pod.kind == "oversized" and not pod.deleted_at]
    assert any(pod.created_at < START + WEEK and pod.started_at is None for pod in never)


def test_adding_pods_of_one_instant() -> None:
    plane = Plane(pods=5)
    at = START + timedelta(days=2)
    added = plane.world.add(1200, created_at=at, started_at=at + timedelta(minutes=1))
    assert {pod.created_at for pod in added} == {at}
    assert len({pod.workload_id for pod in added}) == 1
    assert {pod.payload()["k8sPhase"] for pod in added} == {"Running"}
    assert plane.count(filterBy=[f"workloadId=={added[0].workload_id}"]) == 1200
    more = plane.world.add(like=added[0].id, visible_from=plane.clock.now() + timedelta(hours=1))
    assert more[0].workload_id == added[0].workload_id
    assert plane.count(filterBy=[f"workloadId=={added[0].workload_id}"]) == 1200
    with pytest.raises(TypeError, match="finished_at"):
        plane.world.add(finished_at=at)


def test_completing_killing_deleting_and_editing(plane: Plane) -> None:
    waiting, running, other = plane.world.add(3)
    plane.clock.advance(timedelta(hours=1))
    plane.world.complete(waiting.id)
    plane.world.kill(running.id)
    plane.world.delete(other.id)
    shown = {pod["id"]: pod for pod in plane.pods(filterBy=[f"workloadId=={waiting.workload_id}"])}
    assert shown[waiting.id]["k8sPhase"] == "Succeeded"
    assert shown[running.id]["k8sPhase"] == "Failed"
    assert shown[running.id]["completedAt"] == "2026-01-15T01:00:00.000Z"
    assert other.id not in shown
    assert plane.world.pod(other.id).deleted_at == plane.clock.now()
    plane.world.undelete(other.id)
    assert other.id in {pod["id"] for pod in plane.pods(filterBy=[f"workloadId=={other.workload_id}"])}
    before = shown[running.id]
    plane.world.edit(running.id, priorityClassName="very-high", projectName="moved")
    [after] = [pod for pod in plane.pods(completed=True) if pod["id"] == running.id]
    assert after == before | {"priorityClassName": "very-high", "projectName": "moved"}


def test_what_is_deleted_does_not_complete_later(plane: Plane) -> None:
    [pod] = plane.world.add(completed_at=plane.clock.now() + timedelta(hours=1))
    plane.world.delete(pod.id)
    plane.clock.advance(timedelta(hours=2))
    assert plane.world.pod(pod.id).completed_at is None


def test_a_running_clock() -> None:
    clock = Clock.running(START, speed=1_000_000)
    assert START < clock.now() < START + timedelta(days=300)
    later = clock.now()
    assert clock.now() >= later
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    assert clock.now() >= datetime(2030, 1, 1, tzinfo=UTC)


def test_waste_is_planted_where_it_can_be_told_and_shows_in_the_metrics() -> None:
    world = World(WorldConfig(pods=600, start=START), Clock(START + timedelta(days=8)))
    found: dict[str | None, list[float]] = {}
    for pod in world.truth():
        metric = "GPU_UTILIZATION" if pod.gpus else "CPU_USAGE_CORES"
        if (
            pod.started_at is not None
            and (used := world.metric_value(pod.id, metric, None, pod.started_at)) is not None
        ):
            found.setdefault(pod.waste, []).append(used)
            assert pod.waste is None or not pod.pod.workload.request.mig
    assert found.keys() == {
        "idle_held", "memory_parked", "low_sm", "over_requested_cpu", "over_requested_memory", None,
    }  # fmt: skip
    assert set(found["idle_held"]) == {0}
    assert 0 < max(found["low_sm"]) < 10
    assert len(found[None]) > 3 * sum(len(used) for waste, used in found.items() if waste)
