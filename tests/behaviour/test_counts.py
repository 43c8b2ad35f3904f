"""Counts that lie, that may not be asked for, or that nothing could make agree."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from simulator import Fault, Switches, WorldConfig
from sources.runai.errors import Unavailable
from sources.runai.reading import pods
from tests.behaviour.scene import START, Scene, scene
from tests.behaviour.truth import differences, offered


def project_of_most_pods(made: Scene) -> str:
    """A project whose pods were born on many days."""
    return Counter(pod.pod.workload.project.id for pod in made.world.truth()).most_common(1)[0][0]


def test_a_difference_that_nothing_settles_is_read_again_after_growing_waits(here: Scene) -> None:
    hidden = (project_of_most_pods(here),)
    here.run()
    here.simulator.switches = Switches(hidden_projects=hidden, counts_hidden=True)
    here.run(full_refresh=True)
    in_vain: list[int] = []
    quiet: list[int] = []
    for minutes in (61, 1, 1, 121, 1, 1):
        here.advance(minutes=minutes)
        result = here.run()
        assert any("see pod_counts" in warning for warning in result.reading.warnings)
        assert any(row["difference"] and row["is_whole"] for row in here.rows("pod_counts"))
        (in_vain if minutes > 60 else quiet).append(result.requests)
    assert max(quiet) < 20 < min(in_vain)


def test_pods_that_nobody_could_read_for_days_are_found_within_a_day_of_being_readable(tmp_path: Path) -> None:
    config, broken = WorldConfig(pods=60, start=START), Switches(broken_rows=0.2)
    with scene(tmp_path / "data", config=config, switches=broken, after=timedelta(days=3)) as made:
        made.run(metrics="none")
        unread = {pod.id for pod in made.shown().values() if pod.completed_at is not None} - made.pods().keys()
        assert unread
        for hours in (1, 2, 4, 8, 16, 32):
            made.advance(hours=hours)
            made.run(metrics="none")
        made.simulator.switches = Switches()
        made.advance(hours=24)
        result = made.run(metrics="none")
        assert unread <= made.pods().keys()
        assert result.reading.counts_agree


def test_a_pod_that_comes_late_is_found_among_differences_that_nothing_settles(one: Scene) -> None:
    one.simulator.switches = Switches(hidden_projects=(project_of_most_pods(one),), counts_hidden=True)
    one.run()
    one.advance(minutes=20)
    at = one.clock.now()
    like = next(pod_id for pod_id, row in one.pods().items() if row["project_id"])
    (late,) = one.world.add(
        created_at=at - timedelta(days=3),
        completed_at=at - timedelta(days=2),
        visible_from=at - timedelta(minutes=5),
        like=like,
    )
    result = one.run()
    assert one.pods()[late.id]["completed_at"] == late.completed_at
    assert result.requests < 80, "what is known to differ was read again too"


def test_errors_that_cancel_in_the_sum_are_found_when_their_day_has_its_turn(tmp_path: Path) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=60, start=START), after=timedelta(days=3)) as made:
        made.run()
        at = made.clock.now()
        lost = next(
            row["pod_id"]
            for row in made.rows("pods")
            if row["is_completed"] and not row["is_deleted"] and row["created_at"] < at - timedelta(days=2)
        )
        made.world.hide(pod_ids=[lost])
        begun = at - timedelta(days=1)
        (late,) = made.world.add(created_at=begun, completed_at=begun + timedelta(hours=1), visible_from=at)
        days = {row["created_at"].date() for row in made.rows("pods")} | {begun.date()}
        # Two days in each run, and one run more: what is left when one error is mended is a difference.
        for _ in range(-(-len(days) // 2) + 1):
            made.advance(hours=1)
            made.run()
        assert made.pods()[late.id]["completed_at"] == late.completed_at
        assert not made.pods()[lost]["is_reachable"]


def test_one_run_reads_only_so_many_stretches_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "MOST_STRETCHES", 4)
    config = WorldConfig(pods=600, start=START, days=40, auto_delete_days=90)
    with scene(tmp_path / "data", config=config, after=timedelta(days=38)) as made:
        made.simulator.switches = Switches(hidden_projects=(project_of_most_pods(made),), counts_hidden=True)
        made.run()
        parts = {row["filter"] for row in made.rows("pod_counts") if not row["is_whole"] and row["difference"]}
        first = {part for part in parts if "deleted=true" not in part}
        made.run()
        parts = {row["filter"] for row in made.rows("pod_counts") if not row["is_whole"] and row["difference"]}
        second = {part for part in parts if "deleted=true" not in part} - first
        assert 1 <= len(first) <= 4
        assert 1 <= len(second) <= 4


@pytest.mark.parametrize("plain_list_has_deleted", [False, True])
def test_deletions_without_an_instant_are_read_page_by_page_and_agree_with_the_counts(
    tmp_path: Path, plain_list_has_deleted: bool
) -> None:
    switches = Switches(shows_deleted_at=False, plain_list_has_deleted=plain_list_has_deleted)
    with scene(tmp_path / "data", switches=switches) as made:
        made.run()
        created = made.clock.now()
        born = [pod for n in range(70) for pod in made.world.add(10, created_at=created - timedelta(minutes=n))]
        made.advance(minutes=10)
        made.run()
        for pod in born:
            made.world.delete(pod.id, made.clock.now())
        made.advance(minutes=10)
        result = made.run()
        published = made.pods()
        assert all(published[pod.id]["is_deleted"] for pod in born)
        assert result.reading.counts_agree
        made.advance(days=5)
        result = made.run()
        assert result.reading.counts_agree
        assert result.reading.warnings == []
        assert result.requests < 20


def test_where_counting_is_forbidden_the_run_goes_on_and_says_so(one: Scene) -> None:
    one.simulator.switches = Switches(forbidden=("count_pods",))
    for _ in range(2):
        result = one.run()
        assert any(warning.startswith("counts could not be compared: 403") for warning in result.reading.warnings)
        assert result.reading.counts_agree is None
        one.advance(hours=5)
    assert differences(one.pods(), offered(one.world, one.clock.now() - timedelta(hours=5))) == []


def test_no_other_failure_of_counting_is_swallowed(one: Scene) -> None:
    one.simulator.switches = Switches(faults=(Fault(path="/count$", kind="status", status=503),))
    with pytest.raises(Unavailable):
        one.run()


def test_a_tie_is_read_on_a_control_plane_that_is_older_than_was_said(tmp_path: Path) -> None:
    with scene(tmp_path / "data", version="2.20") as made:
        made.api_version = "2.21"
        made.world.add(1_200)
        made.advance(minutes=10)
        made.run()
        assert differences(made.pods(), offered(made.world, made.clock.now()), version="2.20") == []


def test_pods_without_the_instant_of_their_creation_are_told(one: Scene) -> None:
    ended = next(pod for pod in one.world.truth() if pod.completed_at and not pod.deleted_at)
    one.world.edit(ended.id, createdAt=None)
    warnings = one.run().reading.warnings
    assert any(warning.startswith("pods without createdAt, which the contract requires: 1;") for warning in warnings)
