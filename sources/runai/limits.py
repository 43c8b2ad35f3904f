"""How many requests may be under way at once: as many as the control plane bears.

As TCP does it: every answer raises the limit by one until the first is throttled; from then on a throttled request
halves it and a full round of answers raises it by one. The API is somebody's production service and says nowhere what
it bears, so the limit has to be found out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INITIAL_LIMIT = 4


class AdaptiveLimit:
    """A gate for worker threads, between 1 and `maximum` wide. Thread-safe.

    `sleep` waits out a pause that the server asked for; an exception that it raises leaves the gate as it was.
    """

    def __init__(
        self,
        maximum: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._maximum = maximum
        self._limit = min(INITIAL_LIMIT, maximum)
        self._clock = clock
        self._sleep = sleep
        self._active = 0
        self._answered = 0
        self._round = 0
        self._resume_at = float("-inf")
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many requests may be under way at this moment."""
        return self._limit

    @property
    def active(self) -> int:
        """How many requests are under way at this moment."""
        return self._active

    @contextmanager
    def slot(self) -> Iterator[int]:
        """Wait for room, hold it for the block. Yields the number of the round, which `throttled` wants back."""
        current = self._enter()
        try:
            yield current
        finally:
            with self._changed:
                self._active -= 1
                # All: the one thread that is woken may leave through a pause instead of taking the free slot.
                self._changed.notify_all()

    def succeeded(self) -> None:
        """Count an answer; a full round of them opens the gate by one, or where nothing was ever throttled, each."""
        with self._changed:
            self._answered += 1
            if self._answered >= self._limit or not self._round:
                self._answered = 0
                self._limit = min(self._limit + 1, self._maximum)
                self._changed.notify()

    def throttled(self, seen_in: int, retry_after: float | None = None) -> None:
        """Halve the limit, and hold everybody back for `retry_after` seconds.

        Requests that were already under way when the limit was halved (an earlier round) do not halve it again.
        """
        with self._changed:
            if retry_after is not None:
                self._resume_at = max(self._resume_at, self._clock() + retry_after)
            self._answered = 0
            if seen_in == self._round:
                self._round += 1
                self._limit = max(1, self._limit // 2)

    def _enter(self) -> int:
        # A pause that was slept through is over, whatever the clock says then: clocks and sleeps differ a little.
        waited_until = float("-inf")
        while True:
            with self._changed:
                pause = self._resume_at - self._clock()
                if pause <= 0 or self._resume_at <= waited_until:
                    if self._active < self._limit:
                        self._active += 1
                        return self._round
                    self._changed.wait()
                    continue
                waited_until = self._resume_at
            self._sleep(pause)
