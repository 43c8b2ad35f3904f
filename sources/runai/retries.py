"""When to ask again, and how long to wait before it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from sources.runai.errors import TransientError

logger = logging.getLogger(__name__)
T = TypeVar("T")

LONGEST_BACKOFF_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 120.0


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or as an HTTP date; None if it says neither.

    Never negative, never more than two minutes: a wrong clock or a careless proxy must not stall a run.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    if seconds != seconds:  # noqa: PLR0124 - float() reads "nan"
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


class Retries:
    """Call something again while it raises `TransientError`: exponential backoff with full jitter.

    `backoff` is the upper bound of the first wait in seconds; each further bound is twice the one before.
    """

    def __init__(self, attempts: int, backoff: float, sleep: Callable[[float], None]) -> None:
        self._attempts = attempts
        self._jitter = tenacity.wait_random_exponential(multiplier=backoff, max=LONGEST_BACKOFF_SECONDS)
        self._sleep = sleep

    def __call__(self, attempt: Callable[[], T], on_retry: Callable[[], None]) -> T:
        """Return what `attempt` returns; raise its last error, with the number of attempts in it."""
        try:
            return attempt()
        except TransientError as error:
            failed = error
        # tenacity enters only now: its state took a tenth of the CPU of a request that went well.
        return self._again(attempt, on_retry, failed)

    def _again(self, attempt: Callable[[], T], on_retry: Callable[[], None], failed: TransientError) -> T:
        failures = [failed]

        def next_attempt() -> T:
            if failures:
                raise failures.pop()
            return attempt()

        def note(state: tenacity.RetryCallState) -> None:
            on_retry()
            logger.info(
                "%s Attempt %s follows in %.1f s.", _error(state), state.attempt_number + 1, state.upcoming_sleep
            )

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=self._wait,
            retry=tenacity.retry_if_exception(_may_pass),
            sleep=self._sleep,
            before_sleep=note,
            retry_error_callback=_give_up,
        )
        return retrying(next_attempt)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        return (_error(state).retry_after or 0.0) + self._jitter(state)


def _may_pass(error: BaseException) -> bool:
    """Whether to ask again; not after an inner call, a sign-in, has used up its own attempts."""
    return isinstance(error, TransientError) and error.attempts == 1


def _error(state: tenacity.RetryCallState) -> TransientError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, TransientError):
        raise TypeError(f"{error!r} is not retried")
    return error


def _give_up(state: tenacity.RetryCallState) -> None:
    error = _error(state)
    error.attempts = state.attempt_number
    raise error
