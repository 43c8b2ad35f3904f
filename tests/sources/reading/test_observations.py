from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from sources.runai.json_body import parse_json
from sources.runai.reading.known import Expected, KnownPod, NothingKnown
from sources.runai.reading.observations import Observations, ReadingReport, fingerprint
from sources.runai.schemas import TABLES

NOW = datetime(2026, 1, 10, tzinfo=UTC)
DAY = date(2026, 1, 8)


@dataclass(frozen=True)
class Knows(NothingKnown):
    """A warehouse with the given pods in it."""

    pods: tuple[KnownPod, ...] = ()
    last_as_of: datetime | None = NOW - timedelta(hours=1)

    def open(self) -> dict[str, KnownPod]:
        return {pod.pod_id: pod for pod in self.pods if not pod.is_completed and not pod.is_deleted}

    def find(self, pod_ids: Any) -> dict[str, KnownPod]:
        return {pod.pod_id: pod for pod in self.pods if pod.pod_id in pod_ids}

    def expected_by_day(self, *, created_until: datetime, deleted_since: datetime) -> dict[date, Expected]:
        assert deleted_since < created_until
        alive = sum(not pod.is_deleted for pod in self.pods)
        return {DAY: Expected(alive, len(self.pods) - alive)}


def payload(n: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": f"p{n}", "workloadId": "w", "createdAt": "2026-01-08T00:00:00Z", "k8sPhase": "Running"} | fields


def observations(*pods: KnownPod, rejects: frozenset[str] = frozenset(), **asks: Any) -> Observations:
    known = Knows(pods=pods, rejects=rejects) if pods else NothingKnown(rejects=rejects)
    return Observations(known, ReadingReport(), created_until=NOW, deleted_since=NOW - timedelta(days=13), **asks)


def known(seen: Observations, pod_id: str = "p1") -> KnownPod:
    return seen.seen[pod_id]


def read(seen: Observations) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
    for table, rows in seen.batches(all_of_it=True):
        found[table] += rows.to_pylist()
    return found


def taken(*pods: Any, before: tuple[KnownPod, ...] = (), **how: Any) -> Observations:
    seen = observations(*before)
    seen.take(pods, NOW, found_by="open", **how)
    return seen


def test_a_pod_is_one_row_however_often_it_is_listed() -> None:
    seen = taken(payload(), payload())
    seen.take([payload()], NOW, found_by="completed")
    assert [row["id"] for row in read(seen)["pods"]] == ["p1"]
    assert (seen.report.pods_read, seen.report.pods_new) == (1, 1)


def test_an_unchanged_pod_adds_no_row_and_a_changed_one_does() -> None:
    before = known(taken(payload()))
    assert read(taken(payload(), before=(before,)))["pods"] == []
    changed = taken(payload(k8sPhase="Failed"), before=(before,))
    assert [row["k8s_phase"] for row in read(changed)["pods"]] == ["Failed"]
    assert (changed.report.pods_new, changed.report.pods_changed) == (0, 1)


def test_a_changed_name_is_a_change_and_a_missing_one_is_not() -> None:
    before = known(taken(payload(projectName="vision")))
    assert read(taken(payload(), before=(before,)))["pods"] == []
    assert len(read(taken(payload(projectName="speech"), before=(before,)))["pods"]) == 1


def test_a_pod_that_came_back_adds_a_row_though_nothing_changed() -> None:
    before = known(taken(payload()))._replace(is_reachable=False)
    assert len(read(taken(payload(), before=(before,)))["pods"]) == 1


def test_a_deleted_pod_stays_deleted_where_a_plain_list_shows_it_again() -> None:
    before = known(taken(payload(), deleted=True))
    assert before.is_deleted
    assert read(taken(payload(), before=(before,)))["pods"] == []


def test_a_deleted_pod_is_alive_again_where_plain_lists_have_no_deleted_ones() -> None:
    deleted = known(taken(payload(deletedAt="2026-01-09T00:00:00Z")))
    probe = Mock(return_value=False)
    seen = observations(deleted, plain_has_deleted=probe)
    seen.take([payload(deletedAt="2026-01-09T00:00:00Z"), payload(2)], NOW, found_by="deleted", deleted=True)
    assert [row["id"] for row in read(seen)["pods"]] == ["p2"]
    probe.assert_not_called()
    seen.take([payload()], NOW, found_by="open")
    (row,) = read(seen)["pods"]
    assert (row["is_deleted"], row["deleted_at"]) == (False, None)
    assert seen.expected() == Expected(1, 0, undated=1)


def test_of_two_contents_in_one_answer_the_last_updated_counts_and_the_other_is_kept_aside() -> None:
    pods = [payload(updatedAt=f"2026-01-09T0{hour}:00:00Z", ip=str(hour)) for hour in range(3)]
    rejected = frozenset[str]()
    before: tuple[KnownPod, ...] = ()
    for answer in (pods, pods[::-1], [*pods[1:], pods[0]]):
        seen = observations(*before, rejects=rejected)
        seen.take([*answer, pods[1]], NOW, found_by="open")
        rows = read(seen)
        assert [row["ip"] for row in rows["pods"]] == ([] if before else ["2"])
        assert len(rows["rejects"]) == (0 if before else 2)
        assert (seen.report.rejects, seen.report.rejects_new) == (2, 0 if before else 2)
        before = (known(seen),)
        rejected |= {fingerprint(row["endpoint"], row["payload"]) for row in rows["rejects"]}


def test_contents_that_are_equal_to_python_alone_are_two_contents() -> None:
    for answer in ([0, 0.0, False], [False, 0, 0.0]):
        seen = taken(*(payload(allocatedResources={"gpu": gpu}) for gpu in answer))
        rows = read(seen)
        rejected = [parse_json(row["payload"].encode())["allocatedResources"] for row in rows["rejects"]]
        assert sorted(map(str, rejected)) == ["{'gpu': 0.0}", "{'gpu': 0}"]
        assert [row["allocated_resources"] for row in rows["pods"]] == ['{"gpu":false}']


def test_a_pod_that_changes_and_changes_back_between_two_answers_is_a_row_each_time() -> None:
    seen = taken(payload(), before=(known(taken(payload())),))
    for phase in ("Failed", "Running"):
        seen.take([payload(k8sPhase=phase)], NOW, found_by="recount")
    assert [row["k8s_phase"] for row in read(seen)["pods"]] == ["Failed", "Running"]


def test_of_many_pods_only_the_changed_ones_add_rows() -> None:
    before = tuple(known(taken(payload(n, name=f"n{n}")), f"p{n}") for n in range(4))
    pods = [payload(n, name=f"n{n}", k8sPhase="Failed" if n % 2 else "Running") for n in range(4)]
    rows = read(taken(*pods, before=before))["pods"]
    assert [(row["id"], row["name"], row["k8s_phase"]) for row in rows] == [
        ("p1", "n1", "Failed"),
        ("p3", "n3", "Failed"),
    ]


def test_expected_counts_follow_what_is_read() -> None:
    alive = known(taken(payload()))
    assert taken(payload(), before=(alive,)).expected() == Expected(1, 0)
    assert taken(payload(), payload(2), before=(alive,)).expected() == Expected(2, 0)
    deleted = payload(deletedAt="2026-01-09T00:00:00Z")
    assert taken(deleted, before=(alive,)).expected() == Expected(0, 1)
    long_ago = payload(deletedAt="2025-12-01T00:00:00Z")
    assert taken(long_ago, before=(alive,)).expected() == Expected(0, 0)
    born_since = payload(2, createdAt="2026-01-10T00:00:01Z")
    assert taken(born_since, before=(alive,)).expected() == Expected(1, 0)


def test_an_absent_pod_is_expected_no_longer() -> None:
    alive = known(taken(payload()))
    seen = observations(alive)
    seen.absent(alive, as_of=NOW, observed_at=NOW, looked_by="workload", outcome="not_listed")
    assert seen.expected() == Expected(0, 0)
    assert [row["pod_id"] for row in read(seen)["pod_absences"]] == ["p1"]


def test_a_deleted_pod_that_is_absent_was_purged() -> None:
    deleted = known(taken(payload(deletedAt="2026-01-09T00:00:00Z")))
    seen = observations(deleted)
    seen.absent(deleted, as_of=NOW, observed_at=NOW, looked_by="workload", outcome="not_listed")
    assert seen.expected() == Expected(0, 0)
    assert (seen.report.pods_absent, seen.report.pods_purged) == (0, 1)


def test_expected_counts_are_kept_by_day_of_creation() -> None:
    seen = taken(payload(), payload(2, createdAt="2026-01-09T23:59:59.999Z"))
    assert seen.expected(DAY, DAY) == Expected(1, 0)
    assert seen.expected(date(2026, 1, 9)) == Expected(1, 0)
    assert seen.expected(None, DAY - timedelta(days=1)) == Expected(0, 0)


def test_what_is_no_pod_is_rejected_with_its_text() -> None:
    seen = taken(payload(), "pod", {"name": "without an id"}, payload(2, id="x" * 1_000), payload(3, id="x" * 1_001))
    rejects = read(seen)["rejects"]
    assert [row["payload"] for row in rejects[:2]] == ['"pod"', '{"name":"without an id"}']
    assert [row["reason"] for row in rejects] == [
        "a pod is an object, this is str",
        "the pod has no id",
        "the pod's id has 1,001 characters",
    ]
    assert seen.report.rejects == 3


def test_unknown_and_unreadable_fields_are_told_apart() -> None:
    report = taken(payload(novelty=1, createdAt="soon")).report
    assert dict(report.unknown_fields) == {"novelty": 1}
    assert dict(report.unreadable_fields) == {"createdAt": 1}


def test_rows_are_numbered_in_the_order_of_reading() -> None:
    seen = taken(payload(1), "pod", payload(2))
    tables = read(seen)
    numbers = [row["read_index"] for table in ("pods", "rejects") for row in tables[table]]
    assert sorted(numbers) == [0, 1, 2]
    assert [row["read_index"] for row in tables["pods"]] == sorted(row["read_index"] for row in tables["pods"])


def test_the_same_payload_is_rejected_once_in_a_reading() -> None:
    seen = taken({"name": "without an id"})
    seen.take([{"name": "without an id"}, {"name": "another"}], NOW, found_by="recount")
    assert len(read(seen)["rejects"]) == seen.report.rejects == 2


def test_what_a_fast_writer_of_json_refuses_is_kept_all_the_same() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    seen = taken(payload(containers=deep, tenantId=10**30, novelty=10**30))
    (row,) = read(seen)["pods"]
    assert row["containers"].count("[") == 400
    assert row["tenant_id"] == "1" + "0" * 30
    assert row["extra"] == '{"novelty":1' + "0" * 30 + "}"


def test_deletions_without_an_instant_may_be_counted_or_purged() -> None:
    seen = taken(payload(1), payload(2), payload(3, deletedAt="2026-01-09T00:00:00Z"), deleted=True)
    assert seen.expected() == Expected(alive=0, deleted=1, undated=2)
    assert not seen.is_expected(known(seen, "p1"))
    assert seen.is_expected(known(seen, "p3"))


@pytest.mark.parametrize(("counted", "taken_for"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_deletions_without_an_instant_are_taken_to_be_what_the_api_counts(counted: int, taken_for: int) -> None:
    expected = Expected(alive=5, deleted=1, undated=2)
    assert expected.nearest(Expected(4, counted)) == Expected(5, taken_for)
