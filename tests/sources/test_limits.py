"""The gate finds out what the control plane bears. Fake clock, no waiting."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.limits import AdaptiveLimit


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def gate(maximum: int = 16) -> tuple[AdaptiveLimit, Clock]:
    clock = Clock()
    return AdaptiveLimit(maximum, clock=clock, sleep=clock.sleep), clock


@pytest.mark.parametrize(("maximum", "initial"), [(1, 1), (3, 3), (4, 4), (16, 4)])
def test_it_starts_low(maximum: int, initial: int) -> None:
    assert gate(maximum)[0].limit == initial


def throttle(limit: AdaptiveLimit) -> None:
    with limit.slot() as seen_in:
        limit.throttled(seen_in)


def test_until_it_is_throttled_a_round_of_answers_doubles_it() -> None:
    limit, _clock = gate()
    for doubled in (8, 16):
        for _ in range(limit.limit):
            limit.succeeded()
        assert limit.limit == doubled


def test_once_throttled_a_full_round_of_answers_opens_it_by_one() -> None:
    limit, _clock = gate()
    throttle(limit)
    seen = []
    for _ in range(2 + 3 + 4):
        limit.succeeded()
        seen.append(limit.limit)
    assert seen == [2] + [3] * 3 + [4] * 4 + [5]


def test_it_never_opens_beyond_the_maximum() -> None:
    limit, _clock = gate(5)
    for _ in range(100):
        limit.succeeded()
    assert limit.limit == 5


def test_throttling_halves_it_once_per_round_trip() -> None:
    limit, _clock = gate()
    with limit.slot() as first, limit.slot() as second, limit.slot() as third:
        limit.throttled(first)
        limit.throttled(second)
        limit.throttled(third)
        assert limit.limit == 2
    with limit.slot() as later:
        limit.throttled(later)
    assert limit.limit == 1


def test_it_never_closes() -> None:
    limit, _clock = gate()
    for _ in range(10):
        throttle(limit)
    assert limit.limit == 1


def test_throttling_starts_a_new_round_of_answers() -> None:
    limit, _clock = gate()
    for _ in range(12):
        limit.succeeded()
    throttle(limit)
    assert limit.limit == 8
    for _ in range(7):
        limit.succeeded()
    throttle(limit)
    for _ in range(3):
        limit.succeeded()
    assert limit.limit == 4
    limit.succeeded()
    assert limit.limit == 5


def test_a_pause_that_the_server_asks_for_holds_everybody() -> None:
    limit, clock = gate()
    with limit.slot() as seen_in:
        limit.throttled(seen_in, retry_after=30)
    with limit.slot():
        assert clock.slept == [30]
    with limit.slot():
        assert clock.slept == [30]


def test_of_two_pauses_the_later_end_counts() -> None:
    limit, clock = gate()
    with limit.slot() as seen_in:
        limit.throttled(seen_in, retry_after=30)
        limit.throttled(seen_in, retry_after=1)
    with limit.slot():
        assert sum(clock.slept) == 30


def test_a_slot_is_given_back_when_the_request_fails() -> None:
    limit, _clock = gate(1)
    for _ in range(3):
        with pytest.raises(OSError, match="reset"), limit.slot():
            raise OSError("reset")
    assert limit.active == 0


@given(st.lists(st.sampled_from(["answer", "throttle", "late throttle"])), st.integers(1, 20))
def test_it_stays_between_one_and_the_maximum(events: list[str], maximum: int) -> None:
    limit, _clock = gate(maximum)
    for event in events:
        before = limit.limit
        if event == "answer":
            limit.succeeded()
            assert before <= limit.limit <= before + 1
        else:
            with limit.slot() as seen_in:
                limit.throttled(seen_in if event == "throttle" else -1)
            assert limit.limit == (max(1, before // 2) if event == "throttle" else before)
        assert 1 <= limit.limit <= maximum


def test_threads_wait_for_room_and_never_exceed_it() -> None:
    limit = AdaptiveLimit(2)
    most = 0

    def work() -> None:
        nonlocal most
        for _ in range(20):
            with limit.slot():
                most = max(most, limit.active)
                time.sleep(0.0005)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most, limit.active) == (2, 0)


def test_no_thread_is_left_waiting_when_the_sleep_is_broken_off() -> None:
    closing = threading.Event()

    def sleep(seconds: float) -> None:
        if closing.wait(seconds):
            raise InterruptedError

    limit = AdaptiveLimit(1, sleep=sleep)
    outcomes: list[str] = []

    def work() -> None:
        try:
            with limit.slot():
                outcomes.append("entered")
        except InterruptedError:
            outcomes.append("interrupted")

    with limit.slot() as seen_in:
        threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)  # all wait for room
        limit.throttled(seen_in, retry_after=60)
    time.sleep(0.05)
    closing.set()
    for thread in threads:
        thread.join(2)
    assert outcomes == ["interrupted"] * 6
