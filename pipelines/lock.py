"""One run at a time per data directory.

The operating system frees the lock when its process ends, however it ends, so there is nothing to clean up after a
crash. `lock.json` beside it only tells people who holds it.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from pipelines.settings import DISK_FULL
from pipelines.state import is_held, write_json
from pipelines.stopping import FAREWELLS

# Long enough for `status` to let go of the lock it looks at, too short to be noticed by anybody who has to wait.
_PATIENCE_SECONDS = 0.5


@dataclass(frozen=True)
class Holder:
    """The process that holds the lock."""

    pid: int
    host: str
    started_at: str

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.started_at}"


class LockHeld(Exception):
    """Another run works on this data directory (exit code 4)."""

    def __init__(self, holder: Holder | None) -> None:
        self.holder = holder
        super().__init__(f"another run holds the lock: {holder or 'it has just started'}; wait for it to end.")


class Lock:
    """Hold the data directory's lock for the length of a `with` block; `LockHeld` when another process has it."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._lock = FileLock(state_dir / "lock", thread_local=False)

    def __enter__(self) -> Self:
        self._state_dir.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=_PATIENCE_SECONDS, poll_interval=0.05)
        except Timeout:
            raise LockHeld(_read_holder(self._state_dir)) from None
        FAREWELLS.append(self._forget_holder)
        try:
            _write_holder(self._state_dir)
        except BaseException:
            FAREWELLS.remove(self._forget_holder)
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Before it is free: the next holder's words are not ours to take away.
        FAREWELLS.remove(self._forget_holder)
        self._forget_holder()
        self._lock.release()

    def _forget_holder(self) -> None:
        (self._state_dir / "lock.json").unlink(missing_ok=True)


def current_holder(state_dir: Path) -> Holder | None:
    """Who holds the lock at this moment; None when nobody does. Writes nothing and never waits.

    It looks by sharing the lock for an instant, which a run that begins just then waits out. Where that cannot be done,
    what `lock.json` says is the best answer: a run that ends takes it away.
    """
    holder = _read_holder(state_dir)
    return holder if holder and is_held(state_dir / "lock") else None


def _write_holder(state_dir: Path) -> None:
    holder = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))
    try:
        write_json(state_dir / "lock.json", asdict(holder))
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        # `prune` has to come in, to make room; what is there tells of a dead process.
        (state_dir / "lock.json").unlink(missing_ok=True)


def _read_holder(state_dir: Path) -> Holder | None:
    try:
        return Holder(**json.loads((state_dir / "lock.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
