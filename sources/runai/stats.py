"""What the client has done so far, for summaries and progress."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Snapshot:
    """Counts of one moment; `bytes` as they came over the wire, `waited_seconds` summed over all threads."""

    requests: int = 0
    sign_ins: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0
    waited_seconds: float = 0.0


class Stats:
    """Counters that many threads add to. `requests` counts every request sent, sign-ins and retries included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = Snapshot()

    def add(
        self,
        *,
        requests: int = 0,
        sign_ins: int = 0,
        retries: int = 0,
        throttled: int = 0,
        bytes: int = 0,  # noqa: A002 - the counter's name
        waited_seconds: float = 0.0,
    ) -> None:
        """Add to the counters."""
        with self._lock:
            now = self._now
            self._now = replace(
                now,
                requests=now.requests + requests,
                sign_ins=now.sign_ins + sign_ins,
                retries=now.retries + retries,
                throttled=now.throttled + throttled,
                bytes=now.bytes + bytes,
                waited_seconds=now.waited_seconds + waited_seconds,
            )

    def snapshot(self) -> Snapshot:
        """The counts of this moment."""
        return self._now

    def __repr__(self) -> str:
        return f"Stats({self._now})"
