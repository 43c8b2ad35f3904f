"""Asking again: how often, and how long to wait before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.errors import BrokenAnswer, NotFound, Unavailable
from sources.runai.retries import LONGEST_BACKOFF_SECONDS, LONGEST_RETRY_AFTER_SECONDS, Retries, retry_after_seconds

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("0", 0),
        ("-5", 0),
        ("2.5", 2.5),
        (" 30 ", 30),
        ("99999", 120),
        ("inf", 120),
        ("Wed, 21 Oct 2026 07:28:09 GMT", 9),
        ("Wed, 21 Oct 2026 09:28:09 +0200", 9),
        ("Wed, 21 Oct 2026 07:28:09", 9),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 120),
        ("Wed, 99 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.one_of(st.text(), st.floats().map(str), st.integers().map(str), st.datetimes().map(format_datetime)))
def test_no_header_makes_a_wait_negative_or_endless(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS


class Failing:
    """Fails as told, then succeeds; counts the calls."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def run(attempt: Failing, attempts: int = 6) -> tuple[str, list[float], int]:
    waits: list[float] = []
    retried: list[None] = []
    result = Retries(attempts, 1.0, waits.append)(attempt, lambda: retried.append(None))
    return result, waits, len(retried)


def test_what_may_pass_is_asked_for_again() -> None:
    result, waits, retried = run(Failing(Unavailable("503"), BrokenAnswer("cut off")))
    assert (result, len(waits), retried) == ("done", 2, 2)


def test_what_will_not_pass_is_not() -> None:
    attempt = Failing(NotFound("404"))
    with pytest.raises(NotFound):
        run(attempt)
    assert attempt.calls == 1


def test_it_gives_up_and_says_after_how_many_attempts() -> None:
    attempt = Failing(*(Unavailable("503.") for _ in range(9)))
    with pytest.raises(Unavailable, match=r"^503\. Gave up after 6 attempts\.$") as given_up:
        run(attempt)
    assert given_up.value.attempts == attempt.calls == 6


def test_attempts_do_not_multiply_when_calls_are_nested() -> None:
    inner = Failing(*(Unavailable("sign-in") for _ in range(99)))
    with pytest.raises(Unavailable):
        Retries(6, 1.0, lambda _seconds: None)(lambda: run(inner), lambda: None)
    assert inner.calls == 6


def test_waits_are_jittered_and_bounded_by_a_doubling_limit() -> None:
    samples = []
    for _ in range(50):
        _result, waits, _retried = run(Failing(*(Unavailable("503") for _ in range(9))), attempts=10)
        assert all(0 <= wait <= min(2**turn, LONGEST_BACKOFF_SECONDS) for turn, wait in enumerate(waits))
        samples.append(waits[5])
    assert max(samples) - min(samples) > 5  # full jitter: spread over nearly all of 0 to 32 s
    assert max(samples) > 16


def test_a_wait_that_the_server_asked_for_comes_before_the_jitter() -> None:
    throttled = Unavailable("429")
    throttled.retry_after = 30
    _result, waits, _retried = run(Failing(throttled))
    assert 30 <= waits[0] <= 31


def test_the_zone_of_this_machine_plays_no_part() -> None:
    elsewhere = NOW.astimezone(tz=None) + timedelta(0)
    assert retry_after_seconds("Wed, 21 Oct 2026 07:28:09 GMT", elsewhere) == 9
