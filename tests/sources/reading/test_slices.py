from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.client import Reply
from sources.runai.errors import ApiError, PermissionDenied, Unavailable
from sources.runai.reading.listing import TICK, Listing
from sources.runai.reading.seek import seek
from sources.runai.reading.slices import side_by_side, slices
from tests.sources.reading.listed import Listed, pod

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(
    gaps=st.lists(st.sampled_from([0, 1, 1_000, 3_600_000_000, 86_400_000_000]), max_size=40),
    size=st.integers(1, 12),
    until=st.integers(-2, 40),
)
def test_slices_cover_the_list_whatever_its_shape(gaps: list[int], size: int, until: int) -> None:
    instant, pods = START, []
    for n, gap in enumerate(gaps):
        instant += timedelta(microseconds=gap)
        pods.append(pod(n, instant))
    listed = Listed(pods, digits=6)
    parts = slices(listed.client, Listing(), until=START + timedelta(days=until), size=size)
    found = [
        item["id"]
        for part in parts
        for page in seek(listed.client, part, sort_keys=("workloadId",), warn=pytest.fail)
        for item in page.pods
    ]
    assert set(found) == {item["id"] for item in pods}


def test_a_long_list_is_cut_into_even_slices_for_few_counts() -> None:
    pods = [pod(n, START + timedelta(minutes=n)) for n in range(4_000)]
    listed = Listed(pods)
    parts = slices(listed.client, Listing(), until=START + timedelta(minutes=4_000), size=1_000)
    assert 4 <= len(parts) <= 8
    assert parts[0].start is None
    assert parts[-1].end is None
    assert all(one.end + TICK == other.start for one, other in pairwise(parts) if one.end)
    assert len(listed.asked) <= 10


def test_a_count_of_none_is_not_believed() -> None:
    listed = Listed([])
    assert slices(listed.client, Listing(), until=START) == [Listing()]


@dataclass
class Refusing(Listed):
    """Answers every request with one error."""

    error: ApiError = field(default_factory=lambda: PermissionDenied("no"))

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply[Any]:
        super().get(path, params)
        raise self.error


def test_a_list_that_may_not_be_counted_stays_whole() -> None:
    assert slices(Refusing([]).client, Listing(), until=START) == [Listing()]


def test_no_other_error_of_a_count_is_swallowed() -> None:
    with pytest.raises(Unavailable):
        slices(Refusing([], error=Unavailable("busy")).client, Listing(), until=START)


def test_iterators_are_read_side_by_side_and_each_in_order() -> None:
    under_way, most = 0, 0
    guard = threading.Lock()

    def numbers(first: int) -> Iterator[int]:
        nonlocal under_way, most
        for number in range(first, first + 3):
            with guard:
                under_way += 1
                most = max(most, under_way)
            time.sleep(0.01)
            with guard:
                under_way -= 1
            yield number

    found = list(side_by_side([numbers(first) for first in range(10, 60, 10)], workers=3))
    assert sorted(found) == sorted(first + n for first in range(10, 60, 10) for n in range(3))
    for first in range(10, 60, 10):
        assert [n for n in found if first <= n < first + 10] == [first, first + 1, first + 2]
    assert 2 <= most <= 3


def test_the_first_error_ends_the_reading() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        list(side_by_side([failing()], workers=2))
