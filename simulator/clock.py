"""The clock by which the world lives: set by hand, or running with real time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simulator.instants import SECOND, micros, moment

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Clock:
    """A UTC clock that stands still until it is moved, or runs at `speed` times real time."""

    def __init__(self, at: datetime, *, speed: float = 0.0) -> None:
        self._speed = speed
        self._base = micros(at)
        self._started = time.monotonic()

    @classmethod
    def running(cls, at: datetime, speed: float = 1.0) -> Clock:
        """A clock that shows `at` now and runs on."""
        return cls(at, speed=speed)

    def micros(self) -> int:
        """The present, in microseconds since the epoch."""
        if not self._speed:
            return self._base
        return self._base + int((time.monotonic() - self._started) * self._speed * SECOND)

    def now(self) -> datetime:
        """The present, in UTC."""
        return moment(self.micros())

    def set(self, at: datetime) -> None:
        """Show `at` from now on."""
        self._base, self._started = micros(at), time.monotonic()

    def advance(self, by: timedelta) -> None:
        """Move on (or back) by a stretch of time."""
        self.set(self.now() + by)
