from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.catalogue import BASIC, CATALOGUE
from sources.runai.client import Reply
from sources.runai.errors import ApiError, BadRequest, NotFound, PermissionDenied, SignInError, Unavailable
from sources.runai.reading.measurements import Measurements, Series
from sources.runai.reading.metric_limits import Answer, MetricLimits
from sources.runai.reading.windows import MetricTarget, Window
from sources.runai.schemas import INSTANT

NOW = datetime(2026, 1, 15, tzinfo=UTC)
ADVANCED = tuple(name for name in CATALOGUE if CATALOGUE[name].is_profiling)[:9]
NINE = (*BASIC, *ADVANCED[:3])


@dataclass
class Plane:
    """Grants so much, and remembers what it was asked."""

    most_types: int = 9
    most_samples: int = 1_000
    unknown: frozenset[str] = frozenset()
    advanced: Literal["on", "400", "omit"] = "on"
    # Pods of which every request is refused, and pods of which these types are.
    odd: frozenset[str] = frozenset()
    picky: frozenset[str] = frozenset()
    asked: list[Window] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def get(self, window: Window) -> Reply[Measurements]:
        self.asked.append(window)
        off = {name for name in window.types if self.advanced != "on" and CATALOGUE[name].is_profiling}
        why = {
            "types": len(window.types) > self.most_types,
            "samples": window.samples > self.most_samples,
            "unknown": self.unknown & set(window.types),
            "advanced": off and self.advanced == "400",
            "odd": window.target.pod_id in self.odd,
            "picky": window.target.pod_id in self.picky and set(window.types) & set(ADVANCED),
        }
        if any(why.values()):
            self.refused.update(reason for reason, holds in why.items() if holds)
            raise BadRequest("400", status=400)
        returned = [Series(name, None, None, 0) for name in window.types if name not in off]
        return Reply(200, Measurements(returned, pa.array([], INSTANT), pa.array([], pa.float64())), NOW)


def window(pod: str = "p", types: tuple[str, ...] = NINE, samples: int = 1_000) -> Window:
    return Window(MetricTarget(pod, "w", NOW), types, NOW, NOW + timedelta(minutes=samples), 60)


def assert_covers(answers: Iterable[Answer], asked: Window, types: Iterable[str]) -> None:
    """Every type is served over the whole window, once."""
    stretches = defaultdict(list)
    for part, answer in answers:
        if isinstance(answer, Reply):
            for name in part.types:
                stretches[name].append((part.start, part.end))
    assert stretches.keys() == set(types)
    for parts in stretches.values():
        assert (min(parts)[0], max(parts)[1]) == (asked.start, asked.end)
        assert all(one[1] == other[0] for one, other in pairwise(sorted(parts)))


@given(
    most_types=st.integers(1, 9),
    most_samples=st.integers(1, 1_000),
    unknown=st.frozensets(st.sampled_from(NINE), max_size=2),
    samples=st.integers(1, 1_000),
)
def test_whatever_is_granted_all_of_it_comes(
    most_types: int, most_samples: int, unknown: frozenset[str], samples: int
) -> None:
    plane, limits = Plane(most_types, most_samples, unknown), MetricLimits()
    known = [name for name in NINE if name not in unknown]
    answers = limits.ask(window(samples=samples), plane.get)
    assert_covers(answers, window(samples=samples), known)
    assert [(part.types, answer) for part, answer in answers if isinstance(answer, ApiError)] == [
        ((name,), answer) for name in NINE for part, answer in answers if part.types == (name,) and name in unknown
    ]
    assert limits.off == unknown
    # What was found out holds: the next pod is asked nothing that is refused.
    plane.refused.clear()
    assert_covers(limits.ask(window("q", samples=samples), plane.get), window(samples=samples), known)
    assert not plane.refused


@pytest.mark.parametrize(
    ("most", "parts"), [(9, [9]), (8, [5, 4]), (5, [5, 4]), (4, [3, 3, 3]), (3, [3, 3, 3]), (2, [2, 2, 2, 2, 1])]
)
def test_a_limit_of_types_is_remembered(most: int, parts: list[int]) -> None:
    plane, limits = Plane(most_types=most), MetricLimits()
    limits.ask(window(), plane.get)
    plane.asked.clear()
    limits.ask(window("q"), plane.get)
    assert [len(part.types) for part in plane.asked] == parts


def test_a_limit_of_samples_costs_two_requests_for_each_halving_and_is_remembered() -> None:
    plane, limits = Plane(most_samples=300), MetricLimits()
    limits.ask(window(), plane.get)
    # 1000 and 500 are refused, one sample is granted each time, and 4 times 250 are served.
    assert [part.samples for part in plane.asked] == [1_000, 1, 500, 1, 250, 250, 250, 250]
    plane.asked.clear()
    limits.ask(window("q"), plane.get)
    assert [part.samples for part in plane.asked] == [250] * 4


def test_a_type_that_is_unknown_is_told_once_and_not_asked_again() -> None:
    plane, limits = Plane(unknown=frozenset({"CPU_USAGE_CORES"})), MetricLimits()
    answers = [answer for pod in "pqr" for answer in limits.ask(window(pod, BASIC), plane.get)]
    assert [part.types for part, answer in answers if isinstance(answer, BadRequest)] == [("CPU_USAGE_CORES",)]
    assert plane.refused["unknown"] == 3  # together, together for one sample, alone
    assert len(plane.asked) == 2 + len(BASIC) + 3


@pytest.mark.parametrize("outcome", ["400", "omit"])
def test_profiling_that_is_off_is_asked_of_three_pods_only(outcome: Literal["400", "omit"]) -> None:
    plane, limits = Plane(advanced=outcome), MetricLimits()
    for number in range(10):
        assert_covers(limits.ask(window(f"{number}", BASIC), plane.get), window(), BASIC)
        limits.ask(window(f"{number}", ADVANCED), plane.get)
    assert limits.off == set(ADVANCED)
    assert all(limits.is_off(name) for name in ADVANCED)
    assert {part.target.pod_id for part in plane.asked if part.types[0] in ADVANCED} == {"0", "1", "2"}


@pytest.mark.parametrize("types", [BASIC, ADVANCED])
def test_one_odd_pod_switches_nothing_off_for_the_others(types: tuple[str, ...]) -> None:
    plane, limits = Plane(odd=frozenset({"odd"})), MetricLimits()
    long = window("odd", types)
    for part in long.stretches(100):
        ((_, answer),) = limits.ask(part, plane.get)
        assert isinstance(answer, BadRequest)
    assert limits.off == frozenset()
    # It is looked into once: together, for one sample, each type alone.
    assert len(plane.asked) == 10 + 1 + len(types)
    plane.asked.clear()
    assert_covers(limits.ask(window("good", types), plane.get), long, types)
    assert len(plane.asked) == 1


def test_one_pod_without_profiling_switches_it_off_for_no_other() -> None:
    plane, limits = Plane(advanced="omit"), MetricLimits()
    for part in window("bare", ADVANCED).stretches(100):
        limits.ask(part, plane.get)
    assert limits.off == frozenset()
    plane.advanced = "on"
    assert_covers(limits.ask(window("good", ADVANCED), plane.get), window(), ADVANCED)
    plane.advanced = "omit"
    for number in range(5):
        limits.ask(window(f"{number}", ADVANCED), plane.get)
    # What was served once is there, and was missing five times.
    assert limits.off == frozenset()


def test_what_one_pod_refuses_and_another_had_stays_on() -> None:
    plane, limits = Plane(picky=frozenset({"picky"})), MetricLimits()
    limits.ask(window("good"), plane.get)
    answers = limits.ask(window("picky"), plane.get)
    assert_covers(answers, window(), BASIC)
    ((part, _),) = [(part, answer) for part, answer in answers if isinstance(answer, BadRequest)]
    assert part.types == ADVANCED[:3]
    assert limits.off == frozenset()
    assert_covers(limits.ask(window("next"), plane.get), window(), NINE)


def test_a_passing_refusal_narrows_nothing_that_was_granted_before() -> None:
    plane, limits = Plane(), MetricLimits()
    limits.ask(window(), plane.get)
    refusals = iter([True])

    def get(part: Window) -> Reply[Measurements]:
        if next(refusals, False):
            raise BadRequest("400", status=400)
        return plane.get(part)

    ((_, answer),) = limits.ask(window("q"), get)
    assert isinstance(answer, BadRequest)
    assert (limits.most_types, limits.most_samples, limits.off) == (9, 1_000, frozenset())


@pytest.mark.parametrize("single", [1, 7])
def test_a_single_type_that_is_refused_once_is_no_limit(single: int) -> None:
    plane, limits = Plane(), MetricLimits()
    refusals = iter([True, single > 1])

    def get(part: Window) -> Reply[Measurements]:
        if next(refusals, False):
            raise BadRequest("400", status=400)
        return plane.get(part)

    limits.ask(window(types=BASIC[:1], samples=single), get)
    assert limits.most_types == 9
    assert_covers(limits.ask(window("q"), plane.get), window(), NINE)


@pytest.mark.parametrize("kind", [NotFound, PermissionDenied, Unavailable])
@pytest.mark.parametrize("place", [0, 1, 2, 5])
def test_another_failure_at_any_request_is_an_answer(kind: type[ApiError], place: int) -> None:
    plane, limits = Plane(unknown=frozenset({"CPU_USAGE_CORES"})), MetricLimits()

    def get(part: Window) -> Reply[Measurements]:
        if len(plane.asked) == place:
            plane.asked.append(part)
            raise kind("no")
        return plane.get(part)

    ((part, answer),) = limits.ask(window(types=BASIC), get)
    assert part == window(types=BASIC)
    assert isinstance(answer, ApiError)
    # The next pod finds out.
    assert_covers(limits.ask(window("q", BASIC), plane.get), window(), set(BASIC) - {"CPU_USAGE_CORES"})


@pytest.mark.parametrize("place", [0, 1, 2])
def test_refused_credentials_end_the_reading(place: int) -> None:
    plane, limits = Plane(most_types=3), MetricLimits()

    def get(part: Window) -> Reply[Measurements]:
        if len(plane.asked) == place:
            raise SignInError("no")
        return plane.get(part)

    with pytest.raises(SignInError):
        limits.ask(window(), get)


def test_eight_workers_find_out_once() -> None:
    plane = Plane(most_types=4, most_samples=300, unknown=frozenset({"CPU_USAGE_CORES"}))
    limits, together, guard = MetricLimits(), threading.Barrier(8), threading.Lock()
    first = threading.local()

    def get(part: Window) -> Reply[Measurements]:
        if not hasattr(first, "is_over"):
            first.is_over = True
            together.wait(10)
        with guard:
            return plane.get(part)

    windows = [window(str(number)) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: limits.ask(one, get), windows))
    known = [name for name in NINE if name != "CPU_USAGE_CORES"]
    for asked, parts in zip(windows, answers, strict=True):
        assert_covers(parts, asked, known)
    assert limits.off == {"CPU_USAGE_CORES"}
    told = [part for parts in answers for part, answer in parts if isinstance(answer, ApiError)]
    assert [part.types for part in told] == [("CPU_USAGE_CORES",)]
    alone = Plane(most_types=4, most_samples=300, unknown=plane.unknown)
    MetricLimits().ask(window(), alone.get)
    # Besides what one worker alone would need, each of the other seven may have had one request under way at each step.
    needed = 40 * len([part for part, answer in answers[-1] if isinstance(answer, Reply)])
    assert len(plane.asked) <= needed + len(alone.asked) + 7 * 6
