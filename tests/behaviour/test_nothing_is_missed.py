"""Pods that are born, finish, vanish, come late or come back while nobody looks."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator import Fault, Switches, WorldConfig
from tests.behaviour.scene import START, Scene, scene
from tests.behaviour.truth import differences, offered


@pytest.mark.parametrize("ties", ["stable", "shuffled"])
def test_1200_pods_in_one_instant(tmp_path: Path, ties: Any) -> None:
    with scene(tmp_path / "data", switches=Switches(ties=ties)) as made:
        made.run()
        made.world.add(1_200)
        made.advance(minutes=10)
        born = made.run()
        assert born.reading.pods_new >= 1_200
        assert differences(made.pods(), offered(made.world, made.clock.now())) == []
        ids = [pod_id for pod_id, row in made.pods().items() if not row["is_completed"]]
        at = made.clock.now()
        for pod_id in ids:
            made.world.complete(pod_id, at)
        made.advance(minutes=10)
        made.run()
        at = made.clock.now()
        for pod_id in ids:
            made.world.delete(pod_id, at)
        made.advance(minutes=10)
        made.run()
        assert differences(made.pods(), offered(made.world, made.clock.now())) == []


@pytest.mark.parametrize("seed", range(2))
def test_changes_between_any_two_requests(tmp_path: Path, seed: int) -> None:
    """The world moves with every request; when it rests, one more run must have caught everything."""
    config = WorldConfig(pods=1_500, start=START, seed=seed, days=7)
    with scene(tmp_path / "data", config=config, after=timedelta(days=5)) as made:
        rng = random.Random(seed)
        world = made.world

        def disturb(_n: int, _request: object) -> None:
            at = made.clock.now()
            alive = [pod for pod in world.truth() if pod.deleted_at is None and pod.created_at < at]
            for pod in rng.sample(alive, min(3, len(alive))):
                if pod.completed_at is None and rng.random() < 0.6:
                    world.complete(pod.id, at)
                else:
                    world.delete(pod.id, at)
            world.add(2, kind="training")
            made.clock.advance(timedelta(seconds=20))

        made.simulator.on_request = disturb
        for _ in range(3):
            made.run()
            made.advance(hours=1)
        made.simulator.on_request = None
        made.run()
        assert differences(made.pods(), offered(world, made.clock.now())) == []


def test_pods_that_a_cluster_reports_hours_late_are_found_by_the_referee(tmp_path: Path) -> None:
    config = WorldConfig(pods=300, start=START, late_share=0.4, late_hours=20)
    with scene(tmp_path / "data", config=config) as made:
        for _ in range(5):
            made.run()
            made.advance(hours=11)
        result = made.run()
        assert differences(made.pods(), offered(made.world, made.clock.now())) == []
        assert result.reading.counts_agree


def test_a_completed_pod_of_long_ago_that_appears_late_is_found(here: Scene) -> None:
    here.run()
    here.advance(hours=1)
    at = here.clock.now()
    (late,) = here.world.add(
        created_at=at - timedelta(days=3),
        completed_at=at - timedelta(days=2),
        visible_from=at - timedelta(minutes=30),
    )
    result = here.run()
    assert here.pods()[late.id]["completed_at"] == late.completed_at
    assert result.reading.counts_agree


def test_a_pod_that_vanishes_is_unreachable_and_not_deleted_and_comes_back(here: Scene) -> None:
    here.run()
    open_id, over_id = (
        next(pod_id for pod_id, row in here.pods().items() if row["is_completed"] == is_over and not row["is_deleted"])
        for is_over in (False, True)
    )
    here.world.hide(pod_ids=[open_id, over_id])
    here.advance(hours=1)
    result = here.run()
    for pod_id in (open_id, over_id):
        row = here.pods()[pod_id]
        assert (row["is_reachable"], row["is_deleted"]) == (False, False)
    assert result.reading.pods_absent == 2
    assert result.reading.counts_agree
    here.world.hide(pod_ids=[open_id, over_id], is_hidden=False)
    here.advance(hours=30)
    here.run()
    assert all(here.pods()[pod_id]["is_reachable"] for pod_id in (open_id, over_id))


def test_looking_for_a_lost_pod_backs_off(tmp_path: Path) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=40, start=START)) as small:
        small.run()
        found = small.pods().items()
        open_id = next(pod_id for pod_id, row in found if not row["is_completed"] and not row["is_deleted"])
        small.world.hide(pod_ids=[open_id])
        looked = []
        for _ in range(8):
            small.advance(hours=1)
            looked.append(small.run().reading.pods_absent)
        assert 2 <= sum(looked) <= 4


def test_a_lost_project_is_told_by_its_days_when_it_has_many_workloads(tmp_path: Path) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=4_000, start=START, life_scale=20)) as made:
        made.run()
        of_project: dict[str, int] = {}
        for row in made.pods().values():
            if not row["is_completed"] and not row["is_deleted"]:
                of_project[row["project_id"]] = of_project.get(row["project_id"], 0) + 1
        project_id = max(of_project, key=lambda key: of_project[key])
        assert of_project[project_id] > 60, "too few for the look-up by days"
        made.world.hide(project_id=project_id)
        made.advance(minutes=5)
        result = made.run()
        rows = [row for row in made.pods().values() if row["project_id"] == project_id]
        assert not any(row["is_reachable"] for row in rows if not row["is_deleted"])
        assert result.reading.counts_agree


def test_what_is_purged_stays_published(here: Scene) -> None:
    here.run()
    before = here.pods()
    here.advance(days=40)
    here.run()
    after = here.pods()
    assert before.keys() <= after.keys()
    assert len(offered(here.world, here.clock.now())) < len(after)


def test_what_is_purged_early_is_neither_unreachable_nor_expected(tmp_path: Path) -> None:
    with scene(tmp_path / "data", switches=Switches(purge_days=5)) as made:
        made.run()
        made.advance(days=2)
        purging = made.run()
        assert purging.reading.pods_purged > 0
        assert (purging.reading.pods_absent, purging.reading.counts_agree) == (0, True)
        assert all(row["is_reachable"] for row in made.pods().values())
        settled = made.run().reading
        assert (settled.pods_purged, settled.counts_agree, settled.warnings) == (0, True, [])


@pytest.mark.parametrize("switches", [Switches(), Switches(shows_deleted_at=False)], ids=["told", "hidden"])
def test_a_pod_that_reappears_after_its_deletion_is_alive_again(tmp_path: Path, switches: Switches) -> None:
    with scene(tmp_path / "data", switches=switches) as made:
        gone = [
            next(
                pod.id for pod in made.world.truth() if pod.deleted_at is None and (pod.completed_at is None) == is_open
            )
            for is_open in (True, False)
        ]
        for pod_id in gone:
            made.world.delete(pod_id)
        made.run()
        assert all(made.pods()[pod_id]["is_deleted"] for pod_id in gone)
        for pod_id in gone:
            made.world.undelete(pod_id)
        made.advance(hours=1)
        result = made.run()
        truth = offered(made.world, made.clock.now())
        rows = made.pods()
        assert all((rows[pod_id]["is_deleted"], rows[pod_id]["deleted_at"]) == (False, None) for pod_id in gone)
        assert {pod_id for pod_id in truth if rows[pod_id]["is_deleted"]} == {
            pod_id for pod_id, pod in truth.items() if pod.deleted_at
        }
        # Deleted pods without an instant of deletion cannot be held against a count by it.
        assert result.reading.counts_agree or not switches.shows_deleted_at
        assert made.run().reading.pods_changed == 0


def test_allocated_values_survive_completion(one: Scene) -> None:
    one.run()
    open_pods = {pod_id: row for pod_id, row in one.pods().items() if row["allocated_gpu"] and not row["is_completed"]}
    assert open_pods
    at = one.clock.now()
    for pod_id in open_pods:
        one.world.complete(pod_id, at)
    one.advance(hours=1)
    one.run()
    for pod_id, row in one.pods().items():
        if pod_id in open_pods:
            assert row["is_completed"]
            assert row["allocated_gpu"] == open_pods[pod_id]["allocated_gpu"]
            assert row["node_name"] == open_pods[pod_id]["node_name"]


def test_a_workload_that_cannot_be_asked_does_not_end_the_run(one: Scene) -> None:
    one.run()
    open_id = next(pod_id for pod_id, row in one.pods().items() if not row["is_completed"] and not row["is_deleted"])
    one.world.hide(pod_ids=[open_id])
    broken = Fault(path=r"/workloads/[0-9a-f-]{36}/pods$", kind="status", status=500)
    one.simulator.switches = replace(one.simulator.switches, faults=(broken,))
    one.advance(hours=1)
    reading = one.run().reading
    assert any("could not be asked for its pods" in warning for warning in reading.warnings)
    assert one.pods()[open_id]["is_reachable"]


def test_a_count_of_none_hides_no_pod(one: Scene) -> None:
    counts = Fault(path="/count$", kind="status", status=200, body='{"count": 0}')
    one.simulator.switches = replace(one.simulator.switches, faults=(counts,))
    one.run()
    reading = one.run().reading
    assert differences(one.pods(), offered(one.world, one.clock.now())) == []
    assert all(row["is_reachable"] for row in one.pods().values())
    assert reading.pods_changed == 0
    assert reading.warnings


def test_the_zero_time_of_go_is_no_instant(one: Scene) -> None:
    ended = next(pod for pod in one.world.truth() if pod.completed_at and not pod.deleted_at)
    one.world.edit(ended.id, createdAt="0001-01-01T00:00:00Z", k8sPhaseUpdatedAt="9999-12-31T23:59:59.999999Z")
    for _ in range(4):
        one.run()
        one.advance(hours=1)
    assert one.pods()[ended.id]["created_at"] is None


def test_until_bounds_metrics_and_forgets_no_purged_pod(one: Scene) -> None:
    one.run()
    one.advance(days=16)
    one.run()
    before = one.published()
    assert one.run(until=one.clock.now() - timedelta(days=14)).reading.pods_absent == 0
    assert one.published() == before
