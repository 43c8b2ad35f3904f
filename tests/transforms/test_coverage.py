"""What is said of metrics that did not come: why not, and whether they still may."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.transforms.raw_files import DuckDBFiles, Row, absence, at, metric_type, pod, run
from tests.transforms.tables import marts, refreshed, rows
from transforms import Build

HOUR, DAY = 60, 1_440
CATALOGUE = [metric_type("LOAD"), metric_type("GPU", needs_gpu=True)]


@pytest.fixture
def build(layout: Any) -> Any:
    with Build(layout, CATALOGUE) as build:
        yield build


def ended(**fields: Any) -> Row:
    """A pod that ran for the hour before noon."""
    given: Row = {"k8s_phase": "Succeeded", "completed_at": at(0), "observed": 1}
    return pod(**given | fields)


def window(status: str, observed: float = 5, since: float = -HOUR, until: float = 0, **fields: Any) -> Row:
    """What came of asking for a stretch: no sample, or all of them."""
    steps = int(until - since)
    came = {"ok": steps, "empty": 0}.get(status)
    return {
        "pod_id": "pod-1",
        "asked": '["LOAD"]',
        "returned": None if came is None else json.dumps({"LOAD": came}),
        "window_from": at(since),
        "window_to": at(until),
        "resolution_seconds": 60,
        "status": status,
        "reason": "HTTP 500" if status == "failed" else None,
        "samples": 0,
        "expected_samples": steps,
        "attempt": 1,
        "observed_at": at(observed),
    } | fields


def asking(minutes: float, types: str = '["LOAD"]') -> Row:
    """A run that asked for metrics, of the two days before noon on."""
    return run(minutes, metrics_since=at(-2 * DAY), metric_types=types)


def coverage(build: Build) -> list[tuple[Any, ...]]:
    return rows(build, "select metric, status, reason from marts.main.pod_metric_coverage order by all")


def told_by_runs(files: DuckDBFiles, build: Build, later: Sequence[float]) -> list[str]:
    """The one status after each of these runs, in which nothing came; the tables are as if all were built anew."""
    told = []
    for number, minutes in enumerate(later):
        files.load(f"later-{number}", runs=[asking(minutes)])
        ((_, status, reason),) = coverage(refreshed(build, files.store))
        assert (reason is None) is (status == "ok")
        told.append(status)
        before = marts(build)
        build.start_over()
        assert marts(refreshed(build, files.store)) == before
    return told


@pytest.mark.parametrize(
    ("fields", "asked", "told"),
    [
        ({}, [], ("pending", "not asked yet")),
        ({}, ["GPU"], ("not_found", "the control plane no longer knows the pod")),
        ({"k8s_phase": "Running", "completed_at": None}, [], ("ok", None)),
    ],
    ids=["over", "over and gone", "running"],
)
def test_the_end_of_a_pod_that_is_over_is_not_had_before_it_was_asked_for(
    files: DuckDBFiles, build: Build, fields: Row, asked: list[str], told: tuple[str, str | None]
) -> None:
    gone = [window("not_found", asked=json.dumps([metric])) for metric in asked]
    had = window("ok", until=-0.5, observed=2)
    files.load("1", pods=[ended(**fields)], metric_windows=[had, *gone], runs=[asking(2)])
    assert coverage(refreshed(build, files.store))[-1] == ("LOAD", *told)


def test_what_failed_is_given_up_when_the_api_has_forgotten(files: DuckDBFiles, build: Build) -> None:
    failed = [window("failed", observed=5 + number, attempt=number + 1) for number in range(3)]
    files.load("1", pods=[ended()], metric_windows=failed, runs=[asking(10)])
    refreshed(build, files.store)
    files.load("2", runs=[asking(14 * DAY)])
    assert coverage(refreshed(build, files.store)) == [("LOAD", "failed", "HTTP 500")]
    files.load("3", runs=[asking(15 * DAY + 1)])
    # No row about the pod arrived.
    assert coverage(refreshed(build, files.store)) == [("LOAD", "expired", "given up after 15 days: HTTP 500")]
    files.load("4", metric_windows=[window("ok", 15 * DAY + 2)], runs=[asking(15 * DAY + 3)])
    assert coverage(refreshed(build, files.store)) == [("LOAD", "ok", None)]


@pytest.mark.parametrize(
    ("fields", "asked", "told"),
    [
        # An old window is tried three times at least.
        ({}, ["failed"], ["failed", "failed"]),
        ({}, ["failed"] * 3, ["failed", "expired"]),
        ({}, ["not_found"], ["not_found", "not_found"]),
        ({}, [], ["pending", "pending"]),
        ({"workload_id": None}, [], ["pending", "expired"]),
        # Deleted, and the API does not say when: that was as it was read.
        (
            {"completed_at": None, "is_deleted": True, "k8s_phase": "Running", "observed": 0},
            ["failed"] * 3,
            ["failed", "expired"],
        ),
    ],
)
def test_what_cannot_be_had_does_not_stay_open(
    files: DuckDBFiles, build: Build, fields: Row, asked: list[str], told: list[str]
) -> None:
    asked_in_turn = [window(status, observed=5 + number, attempt=number + 1) for number, status in enumerate(asked)]
    files.load("1", pods=[ended(**fields)], metric_windows=asked_in_turn, runs=[asking(10)])
    refreshed(build, files.store)
    assert told_by_runs(files, build, [14 * DAY, 16 * DAY]) == told


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("not_found", ("not_found", "the control plane no longer knows the pod")),
        ("failed", ("failed", "HTTP 500")),
        ("empty", ("pending", "not all of it came yet")),
    ],
)
def test_a_window_of_a_step_that_did_not_come_is_told(
    files: DuckDBFiles, build: Build, status: str, told: tuple[str, str]
) -> None:
    asked = [window("ok", until=-2), window(status, since=-2)]
    files.load("1", pods=[ended()], metric_windows=asked, runs=[asking(10)])
    assert coverage(refreshed(build, files.store)) == [("LOAD", *told)]


@pytest.mark.parametrize("status", ["not_found", "failed"])
def test_what_came_of_a_window_stays_although_its_parts_are_not_answered(
    files: DuckDBFiles, build: Build, status: str
) -> None:
    """Since it was asked for, the control plane takes shorter windows alone, or has forgotten the pod."""
    covered = "select covered_seconds from marts.main.pod_metric_coverage where metric = 'LOAD'"
    files.load("1", pods=[ended()], runs=[asking(10)])
    files.load("2", metric_windows=[window("short", returned='{"LOAD": 40}')])
    parts = [(-HOUR, -20), (-20, 0)]
    files.load("3", metric_windows=[window(status, 70, *part, attempt=2) for part in parts], runs=[asking(75)])
    assert rows(refreshed(build, files.store), covered) == [(40 * 60,)]
    came = [window("short", 80, *part, attempt=3, returned='{"LOAD": 20}') for part in parts]
    files.load("4", metric_windows=came, runs=[asking(85)])
    assert rows(refreshed(build, files.store), covered) == [(40 * 60,)]
    before = marts(build)
    build.start_over()
    assert marts(refreshed(build, files.store)) == before


@pytest.mark.parametrize("until", [-2, -1])
def test_what_was_never_asked_for_is_no_part_of_a_step(files: DuckDBFiles, build: Build, until: float) -> None:
    running = ended(k8s_phase="Running", completed_at=None)
    files.load("1", pods=[running], metric_windows=[window("ok", until=until)], runs=[asking(2)])
    told = ("pending", "not asked yet") if until == -2 else ("ok", None)
    assert coverage(refreshed(build, files.store)) == [("LOAD", *told)]


def test_what_did_not_come_of_the_time_after_the_end_is_not_lacking(files: DuckDBFiles, build: Build) -> None:
    asked = [window("ok"), window("not_found", since=0, until=HOUR)]
    files.load("1", pods=[ended()], metric_windows=asked, runs=[asking(10)])
    assert coverage(refreshed(build, files.store)) == [("LOAD", "ok", None)]


def test_a_pod_that_is_gone_is_gone_for_every_type(files: DuckDBFiles, build: Build) -> None:
    files.load("1", pods=[ended()], metric_windows=[window("not_found")], runs=[asking(10)])
    files.load("2", runs=[asking(20, '["LOAD", "GPU"]')])
    gone = "the control plane no longer knows the pod"
    assert coverage(refreshed(build, files.store)) == [("GPU", "not_found", gone), ("LOAD", "not_found", gone)]


def test_other_types_and_another_floor_are_told_of_pods_of_which_nothing_arrived(
    files: DuckDBFiles, build: Build
) -> None:
    no_gpu = {"cpu": {"request": "1"}}
    files.load("1", pods=[ended(requested_resources=no_gpu)], metric_windows=[window("ok")], runs=[asking(10)])
    refreshed(build, files.store)
    files.load("2", runs=[asking(20, '["LOAD", "GPU"]')])
    assert coverage(refreshed(build, files.store)) == [
        ("GPU", "not_applicable", "the pod has no GPU"),
        ("LOAD", "ok", None),
    ]
    files.load("3", runs=[asking(30, '["GPU"]') | {"metrics_since": at(-3 * DAY)}])
    assert len(coverage(refreshed(build, files.store))) == 2
    before = marts(build)
    build.start_over()
    assert marts(refreshed(build, files.store)) == before


def test_the_end_of_a_pod_is_awaited_until_it_is_settled(files: DuckDBFiles, build: Build) -> None:
    files.load("1", pods=[ended()], metric_windows=[window("ok", until=-1)], runs=[asking(1)])
    until = "select wanted_to from marts.main.pod_metric_coverage"
    assert rows(refreshed(build, files.store), until) == [(at(-1),)]
    files.load("2", runs=[asking(2)])
    assert rows(refreshed(build, files.store), until) == [(at(0),)]


ODD = {
    "created in the future": (pod(created_at=at(DAY), observed=-30), at(-30)),
    "created at no instant": (pod(created_at=None, observed=-30), at(-30)),
    "over before it began": (ended(completed_at=at(-90)), at(-60)),
    "over at no instant": (ended(completed_at=None), at(-60)),
    "deleted at no instant": (pod(is_deleted=True), at(-60)),
    "no workload": (ended(workload_id=None), at(-60)),
    "vanished": (pod(observed=-10), at(-60)),
}


@pytest.mark.parametrize("name", ODD)
def test_no_pod_is_hidden_whatever_its_clocks_say(files: DuckDBFiles, build: Build, name: str) -> None:
    row, since = ODD[name]
    looked = [absence(observed=minutes) for minutes in (0, 2 * DAY)] if name == "vanished" else []
    files.load("1", pods=[row], pod_absences=looked, runs=[asking(10)])
    refreshed(build, files.store)
    assert told_by_runs(files, build, [2 * DAY]) == ["pending"]
    assert rows(build, "select wanted_from from marts.main.pod_metric_coverage") == [(since,)]
