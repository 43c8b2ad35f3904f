from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.client import Reply
from sources.runai.errors import BadRequest, BrokenAnswer, PermissionDenied
from sources.runai.reading.listing import COUNT, Listing, moment_of
from sources.runai.reading.seek import seek
from tests.sources.reading.listed import Listed, pod

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = ("workloadId", "nodeName")


def read(listed: Listed, listing: Listing, warnings: list[str] | None = None) -> list[str]:
    said: list[str] = [] if warnings is None else warnings
    pages = seek(listed.client, listing, sort_keys=KEYS, warn=said.append)
    ids = [item["id"] for page in pages for item in page.pods]
    if warnings is None:
        assert said == []
    return ids


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-01-01T00:00:00Z", 1_000_000),
        ("2026-01-01T00:00:00.5Z", 100_000),
        ("2026-01-01T00:00:00.531Z", 1_000),
        ("2026-01-01 00:00:00.531", 1_000),
        ("2026-01-01T00:00:00.123456Z", 1),
        ("2026-01-01T00:00:00.123456789Z", 1),
    ],
)
def test_the_fewer_digits_are_shown_the_more_they_may_hide(text: str, microseconds: int) -> None:
    assert moment_of(text).width == timedelta(microseconds=microseconds)


@given(
    gaps=st.lists(st.sampled_from([0, 0, 0, 1, 3, 999, 1_000, 1_000_000]), max_size=60),
    digits=st.sampled_from([0, 3, 6]),
    page_size=st.integers(2, 9),
    workloads=st.integers(1, 3),
    seed=st.integers(0, 3),
)
def test_every_pod_is_read_whatever_is_hidden_and_whatever_order_ties_come_in(
    gaps: list[int], digits: int, page_size: int, workloads: int, seed: int
) -> None:
    instant, pods = START, []
    for n, gap in enumerate(gaps):
        instant += timedelta(microseconds=gap)
        pods.append(pod(n, instant, workload=f"w{n % workloads}"))
    listed = Listed(pods, digits=digits, seed=seed)
    assert set(read(listed, Listing(page_size=page_size))) == {item["id"] for item in pods}


def test_1200_pods_of_one_instant_and_one_workload() -> None:
    pods = [pod(n, START + timedelta(microseconds=n % 7)) for n in range(1_200)]
    pods += [pod(n, START + timedelta(seconds=n)) for n in range(1_200, 1_300)]
    assert len(set(read(Listed(pods), Listing()))) == 1_300


def test_ties_of_several_workloads_cost_one_pass() -> None:
    pods = [pod(n, START, workload=f"w{n // 130:02}") for n in range(1_200)]
    listed = Listed(pods)
    assert len(set(read(listed, Listing()))) == 1_200
    assert len(listed.asked) <= 9


def test_pods_that_finish_between_pages_do_not_push_others_out_of_sight() -> None:
    pods = [pod(n, START + timedelta(seconds=n)) for n in range(100)]
    listed = Listed(pods)
    finished: set[str] = set()

    def finish(n: int) -> None:
        for item in random.Random(n).sample(pods, 10):
            item["completedAt"] = START
            finished.add(item["id"])

    listed.before_answer = finish
    read_ids = set(read(listed, Listing(page_size=10, completed=False)))
    assert read_ids | finished == {item["id"] for item in pods}
    assert finished - read_ids, "nothing moved, so nothing was tried"


def test_a_server_that_caps_the_page_lower_than_asked_is_read_to_the_end() -> None:
    pods = [pod(n, START + timedelta(seconds=n)) for n in range(50)]
    assert set(read(Listed(pods, page_cap=7), Listing(page_size=20))) == {item["id"] for item in pods}


def test_a_list_out_of_order_is_an_error_and_not_a_loss() -> None:
    class Unsorted(Listed):
        def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply[Any]:
            reply = super().get(path, params)
            reply.body["pods"].reverse()
            return reply

    pods = [pod(n, START + timedelta(days=n)) for n in range(30)]
    listed = Unsorted(pods)
    with pytest.raises(BrokenAnswer, match="not in the order of createdAt"):
        read(listed, Listing(start=START + timedelta(days=5), page_size=10))


def test_a_tie_that_never_comes_whole_is_told() -> None:
    class Hiding(Listed):
        def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply[Any]:
            reply = super().get(path, params)
            if isinstance(reply.body, dict) and "count" in reply.body:
                reply.body["count"] += 1
            return reply

    warnings: list[str] = []
    ids = read(Hiding([pod(n, START) for n in range(12)]), Listing(page_size=5), warnings)
    assert len(set(ids)) == 12
    assert len(warnings) == 1
    assert warnings[0].startswith("12 pods of one instant were read, but the API counts more")


def test_a_server_that_ignores_the_window_is_an_error_and_not_a_loop() -> None:
    class Deaf(Listed):
        def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply[Any]:
            return super().get(path, {**(params or {}), "filterBy": None})

    pods = [pod(n, START + timedelta(days=n)) for n in range(30)]
    with pytest.raises(BrokenAnswer, match="not in the order of createdAt"):
        read(Deaf(pods), Listing(page_size=10))


def test_a_list_that_does_not_show_its_instants_is_read_by_creation_within_its_window() -> None:
    class Secretive(Listed):
        def _shown(self, pod: dict[str, Any]) -> dict[str, Any]:
            return super()._shown(pod) | {"deletedAt": None}

    pods = [pod(n, START + timedelta(seconds=n)) | {"deletedAt": START + timedelta(days=n % 3)} for n in range(90)]
    listed = Secretive(pods)
    since = START + timedelta(days=1)
    found = set(read(listed, Listing("deletedAt", start=since, page_size=10)))
    assert found == {item["id"] for item in pods if item["deletedAt"] >= since}
    assert len(listed.asked) <= 9


@dataclass
class Choosy(Listed):
    """Refuses some sort keys, as a control plane does that is older than was said."""

    refused: tuple[str, ...] = ("workloadId",)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply[Any]:
        if path != COUNT and (params or {})["sortBy"] in self.refused:
            self.asked.append((path, dict(params or {})))
            raise BadRequest("no such key", status=400)
        return super().get(path, params)


def test_a_tie_is_read_by_the_next_sort_key_where_the_server_refuses_the_first() -> None:
    listed = Choosy([pod(n, START) for n in range(30)])
    assert len(set(read(listed, Listing(page_size=10)))) == 30
    assert sum(asked.get("sortBy") == "workloadId" for _, asked in listed.asked) == 1


def test_a_server_that_refuses_every_sort_key_is_an_error() -> None:
    with pytest.raises(BadRequest):
        read(Choosy([pod(n, START) for n in range(30)], refused=KEYS), Listing(page_size=10))


def test_a_tie_is_read_until_nothing_new_comes_where_counting_is_forbidden() -> None:
    class Uncounted(Listed):
        def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply[Any]:
            if path == COUNT:
                raise PermissionDenied("no")
            return super().get(path, params)

    assert len(set(read(Uncounted([pod(n, START) for n in range(30)]), Listing(page_size=10)))) == 30
