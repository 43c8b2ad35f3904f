"""Lists and counts: filters, order, pages, and what is in them by default."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import Outage
from tests.simulator.plane import PODS, START, Plane, text

FIELDS = {
    "clusterId": "clusterId",
    "workloadId": "workloadId",
    "nodeName": "nodeName",
    "currentNodepool": "currentNodePool",
}
TESTS: dict[str, Any] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "=@": lambda a, b: b in a,
    "!@": lambda a, b: b not in a,
    "=^": lambda a, b: a.startswith(b),
    "=$": lambda a, b: a.endswith(b),
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
WORDS = ["fra-dgx-a100-01", "fra", "01", "default", "a100", "h100-mig", "0", "a", "f", "-", "no such"]


def listed(plane: Plane) -> dict[str, dict[str, Any]]:
    """Pods that stand in a plain list, with full-precision instants, from the truth alone."""
    found = {}
    for pod in plane.world.truth():
        if pod.deleted_at is None:
            exact = {"createdAt": pod.created_at, "completedAt": pod.completed_at, "deletedAt": pod.deleted_at}
            found[pod.id] = pod.payload() | exact
    return found


@given(column=st.sampled_from(list(FIELDS)), operator=st.sampled_from(["==", "!=", "=@", "!@", "=^", "=$"]),
       word=st.sampled_from(WORDS))  # fmt: skip
def test_text_filters(untouched: Plane, column: str, operator: str, word: str) -> None:
    """Nulls match nothing, not even `!=`."""
    wanted = {
        id_
        for id_, pod in listed(untouched).items()
        if (value := pod[FIELDS[column]]) is not None and TESTS[operator](value, word)
    }
    assert set(untouched.ids(filterBy=[f"{column}{operator}{word}"])) == wanted


@given(data=st.data(), operator=st.sampled_from(["==", "!=", "<=", ">="]), off=st.sampled_from([-1, 0, 1]),
       column=st.sampled_from(["createdAt", "completedAt"]))  # fmt: skip
def test_date_filters_compare_every_microsecond(
    untouched: Plane, data: st.DataObject, operator: str, off: int, column: str
) -> None:
    pods = listed(untouched)
    known = sorted(pod[column] for pod in pods.values() if pod[column])
    at = data.draw(st.sampled_from(known)) + timedelta(microseconds=off)
    wanted = {id_ for id_, pod in pods.items() if pod[column] and TESTS[operator](pod[column], at)}
    assert set(untouched.ids(filterBy=[f"{column}{operator}{text(at)}"])) == wanted
    assert untouched.count(filterBy=[f"{column}{operator}{text(at)}"]) == len(wanted)


def test_conditions_are_anded(untouched: Plane) -> None:
    window = [f"createdAt>={text(START + timedelta(days=3))}", f"createdAt<={text(START + timedelta(days=8))}"]
    both = untouched.ids(filterBy=[*window, "nodeName=^fra"])
    assert set(both) == set(untouched.ids(filterBy=window)) & set(untouched.ids(filterBy="nodeName=^fra"))
    assert 0 < len(both) < len(untouched.ids(filterBy=window))


def test_deleted_and_completed(plane: Plane) -> None:
    truth = plane.world.truth()
    deleted = {pod.id for pod in truth if pod.deleted_at}
    live = {pod.id for pod in truth} - deleted
    completed = {pod.id for pod in truth if pod.completed_at}
    assert deleted
    assert set(plane.ids(deleted=True)) == deleted
    assert set(plane.ids(deleted=False)) == live
    assert set(plane.ids()) == live
    assert set(plane.ids(completed="true")) == live & completed
    assert set(plane.ids(completed="false")) == live - completed
    assert set(plane.ids(completed="true", deleted=True)) == deleted & completed
    assert plane.count() == len(live)
    plane.switch(plain_list_has_deleted=True)
    assert set(plane.ids()) == live | deleted
    assert set(plane.ids(deleted=False)) == live
    assert plane.count() == len(truth)
    assert plane.count(deleted=True) == len(deleted)


def test_search_looks_into_names(untouched: Plane) -> None:
    pods = listed(untouched)
    word = next(iter(pods.values()))["name"][2:8]
    wanted = {id_ for id_, pod in pods.items() if word in pod["name"]}
    assert 0 < len(wanted) < len(pods)
    assert set(untouched.ids(search=word.upper())) == wanted
    assert untouched.count(search=word) == len(wanted)


def test_names_are_for_full_verbosity(untouched: Plane) -> None:
    assert {"projectName", "workloadName"} <= untouched.pods()[0].keys()
    for params in ({"verbosity": "brief"}, {"verbosity": None}):
        assert {"projectName", "workloadName"}.isdisjoint(untouched.pods(**params)[0])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("column", ["createdAt", "completedAt", "nodeName", "workloadId", "currentNodepool"])
def test_sorting_puts_nulls_behind_the_greatest(untouched: Plane, column: str, order: str) -> None:
    pods = listed(untouched)
    values = [pods[id_][FIELDS.get(column, column)] for id_ in untouched.ids(sortBy=column, sortOrder=order)]
    known = [value for value in values if value is not None]
    nulls: list[Any] = [None] * (len(values) - len(known))
    assert values == (sorted(known) + nulls if order == "asc" else nulls + sorted(known, reverse=True))


def test_pages_cover_the_list_once(plane: Plane) -> None:
    whole = plane.ids(sortBy="createdAt")
    found, offset, rounds = [], 0, 0
    while offset is not None:
        page = plane.get(PODS, sortBy="createdAt", limit=7, offset=offset)
        found += [pod["id"] for pod in page["pods"]]
        offset, rounds = page.get("next"), rounds + 1
    assert found == whole
    assert rounds == -(-len(whole) // 7)
    assert plane.get(PODS, offset=len(whole) + 5) == {"pods": []}
    assert len(plane.get(PODS)["pods"]) == min(50, len(whole))


@pytest.mark.parametrize(("switch", "end"), [("absent", {}), ("null", {"next": None}), ("zero", {"next": 0})])
def test_the_end_of_the_pages(plane: Plane, switch: str, end: dict[str, Any]) -> None:
    plane.switch(next_at_end=switch)
    total = plane.count()
    for params in ({"limit": 500}, {"limit": 1, "offset": total - 1}, {"offset": total + 9}):
        page = plane.get(PODS, **params)
        assert {name: value for name, value in page.items() if name != "pods"} == end
    assert plane.get(PODS, limit=1, offset=total - 2)["next"] == total - 1


def test_ties(plane: Plane) -> None:
    plane.world.add(30, created_at=START + timedelta(days=3))
    asked = {"sortBy": "createdAt", "filterBy": [f"createdAt=={text(START + timedelta(days=3))}"]}
    stable = plane.ids(**asked)
    assert plane.ids(**asked) == stable
    plane.switch(ties="reversed")
    assert plane.ids(**asked) == stable[::-1]
    plane.switch(ties="shuffled")
    first, second = plane.ids(**asked), plane.ids(**asked)
    assert sorted(first) == sorted(second) == sorted(stable)
    assert first != second
    created = [pod["createdAt"] for pod in plane.pods(sortBy="createdAt")]
    assert created == sorted(created)


def test_ties_are_shuffled_alike_for_the_same_requests() -> None:
    def shuffled() -> list[list[str]]:
        plane = Plane()
        plane.switch(ties="shuffled")
        return [plane.ids(), plane.ids(sortBy="clusterId")]

    assert shuffled() == shuffled()


def test_late_pods_come_with_their_old_instants(plane: Plane) -> None:
    created = plane.clock.now() - timedelta(hours=9)
    [late] = plane.world.add(created_at=created, visible_from=plane.clock.now() + timedelta(hours=1))
    assert late.id not in plane.ids()
    assert plane.reply(f"/api/v1/workloads/{late.workload_id}/pods").status == 404
    assert late.id in {pod.id for pod in plane.world.truth()}
    plane.clock.advance(timedelta(hours=1))
    [shown] = [pod for pod in plane.pods() if pod["id"] == late.id]
    assert shown["createdAt"] == "2026-01-14T15:00:00.000Z"


def test_an_outage_holds_back_births_and_ends() -> None:
    begin, end = START + timedelta(days=8, hours=14), START + timedelta(days=10, hours=6)
    plane = Plane(pods=400, outages=(Outage(begin, end),))
    silent = plane.world.fleet.clusters[0].id
    during = [pod for pod in plane.world.truth() if pod.cluster_id == silent]
    born = {pod.id for pod in during if pod.created_at > begin}
    ended = {pod.id for pod in during if pod.completed_at and pod.completed_at > begin} - born
    assert born
    assert ended
    assert not born & set(plane.ids())
    assert all(pod["completedAt"] is None for pod in plane.pods() if pod["id"] in ended)
    assert ended <= set(plane.ids(completed="false"))
    plane.clock.set(end)
    shown = {pod["id"]: pod for pod in plane.pods(deleted=True) + plane.pods(deleted=False)}
    assert born <= shown.keys()
    assert all(shown[id_]["completedAt"] for id_ in ended)


def test_purging(plane: Plane) -> None:
    [pod] = plane.world.add(deleted_at=plane.clock.now() - timedelta(days=13))
    workload = f"/api/v1/workloads/{pod.workload_id}/pods"
    assert [row["id"] for row in plane.get(workload, deleted=True)["pods"]] == [pod.id]
    assert plane.get(workload)["pods"] == []
    plane.clock.advance(timedelta(days=1))
    assert pod.id not in plane.ids(deleted=True)
    assert plane.reply(workload).status == 404
    assert plane.world.pod(pod.id).purged_at == plane.clock.now()
    plane.switch(purge_days=15)
    assert pod.id in plane.ids(deleted=True)
    plane.world.purge(pod.id)
    assert pod.id not in plane.ids(deleted=True)


def test_deletion_may_leave_no_trace_in_the_timestamps(plane: Plane) -> None:
    [pod] = plane.world.add(deleted_at=plane.clock.now())

    def shown() -> dict[str, Any]:
        return next(row for row in plane.pods(deleted=True) if row["id"] == pod.id)

    assert shown()["updatedAt"] == shown()["deletedAt"] == "2026-01-15T00:00:00.000Z"
    plane.switch(deletion_is_update=False)
    assert shown()["updatedAt"] == shown()["createdAt"]
    plane.switch(shows_deleted_at=False)
    assert shown()["deletedAt"] is None


def test_permissions_narrow_lists_silently(plane: Plane) -> None:
    everything = plane.pods(deleted=True) + plane.pods(deleted=False)
    project = everything[0]["projectId"]
    rest = {pod["id"] for pod in everything if pod["projectId"] != project}
    plane.switch(hidden_projects=(project,))
    assert set(plane.ids(deleted=True) + plane.ids(deleted=False)) == rest
    assert plane.reply(f"/api/v1/workloads/{everything[0]['workloadId']}/pods").status == 404
    plane.switch(hidden_projects=(project,), counts_hidden=True)
    assert set(plane.ids(deleted=True) + plane.ids(deleted=False)) == rest
    assert plane.count(deleted=True) + plane.count(deleted=False) == len(everything)
    plane.switch()
    plane.world.hide(project_id=project)
    assert set(plane.ids(deleted=True) + plane.ids(deleted=False)) == rest
    plane.world.hide(project_id=project, is_hidden=False)
    assert len(plane.ids(deleted=True) + plane.ids(deleted=False)) == len(everything)


def test_pods_of_a_workload_and_of_a_revision(plane: Plane) -> None:
    truth = plane.world.truth()
    for pod in truth[:20]:
        mates = {other.id for other in truth if other.workload_id == pod.workload_id}
        path = f"/api/v1/workloads/{pod.workload_id}/pods"
        found = [row["id"] for is_deleted in (True, False) for row in plane.get(path, deleted=is_deleted)["pods"]]
        assert sorted(found) == sorted(mates)
        assert len(plane.get(path, limit=1, deleted=bool(pod.deleted_at))["pods"]) == 1
    revision = next(pod.revision_id for pod in truth if pod.revision_id)
    mates = {pod.id for pod in truth if pod.revision_id == revision}
    path = f"/api/v1/workloads/inferences/revisions/{revision}/pods"
    found = [row["id"] for is_deleted in (True, False) for row in plane.get(path, deleted=is_deleted)["pods"]]
    assert sorted(found) == sorted(mates)


def test_the_deprecated_list(plane: Plane) -> None:
    cluster = plane.world.fleet.clusters[0].id
    truth = {pod.id: pod for pod in plane.world.truth() if pod.cluster_id == cluster}
    rows = {row["podId"]: row for row in plane.get(f"/v1/k8s/clusters/{cluster}/pods")}
    assert rows.keys() == truth.keys()
    for id_, row in rows.items():
        pod = truth[id_]
        assert row["created"] == int(pod.created_at.timestamp())
        assert row.get("started") == _seconds(pod.started_at)
        assert row["completed"] == (_seconds(pod.completed_at) or 0)
        assert row["existsInCluster"] == (pod.deleted_at is None)
        assert row["jobId"] == pod.workload_id
    plane.switch(epoch_unit=0.001)
    assert plane.get(f"/v1/k8s/clusters/{cluster}/pods")[0]["created"] // 1000 == next(iter(rows.values()))["created"]


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


def test_the_same_seed_and_clock_give_the_same_bytes() -> None:
    one, other = Plane(), Plane()
    other.clock.advance(timedelta(days=30))
    other.reply(PODS, limit=500)
    other.clock.advance(timedelta(days=-30))
    for params in ({"verbosity": "full"}, {"deleted": True}, {"sortBy": "nodeName", "sortOrder": "desc"}):
        assert one.reply(PODS, limit=500, **params).body == other.reply(PODS, limit=500, **params).body
