"""A run, `prune` or `rebuild` through the front door, in a process of its own, that something strikes at a moment.

Processes are forked from one that has imported everything, so that a blow costs what it strikes and little more.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread, Timer
from typing import Any, Final
from unittest.mock import patch

from pipelines import run as protocol
from pipelines.failures import FAILED
from pipelines.pods_pipeline import main
from pipelines.stopping import end_on_signals
from sources.runai import connection
from tests.behaviour.killed import EVERYWHERE, arm, surround
from tests.trust.rights import current_umask

SIGNALS: Final = ("SIGKILL", "SIGTERM", "SIGINT")
FULL: Final = "full disk"
KINDS: Final = (*SIGNALS, FULL)
PATIENCE_SECONDS: Final = 120.0
BALLAST: Final = "ballast"
# What a process tells of itself, on the same pipe as what the run says: word and JSON.
_FACTS: Final = ("struck", "calls")


@dataclass(frozen=True)
class Blow:
    """What strikes, and when: so many seconds after the nth call of what a point of `killed` names."""

    kind: str
    point: str
    nth: int = 1
    after_seconds: float = 0.0

    def __str__(self) -> str:
        moment = f" + {self.after_seconds:.3f} s" if self.after_seconds else ""
        return f"{self.kind} at {self.point} {self.nth}{moment}"


def settings_of_the_source() -> dict[str, str]:
    """What tells of the control plane: the process to fork from may have begun before the scene."""
    return {name: value for name, value in os.environ.items() if name.startswith("SOURCES__")}


@dataclass(frozen=True)
class Orders:
    """What a process is to run, by which clock, and what is to strike it; `disk` is the place that may get full."""

    data_dir: Path
    destination: str
    metrics: str
    at: datetime
    disk: Path
    blow: Blow | None = None
    command: str = "run"
    environment: dict[str, str] = field(default_factory=settings_of_the_source)
    options: tuple[str, ...] = ()
    # Not that of the process to fork from, either.
    umask: int = field(default_factory=current_umask)


@dataclass(frozen=True)
class End:
    """How a process ended: its exit code or, negative, its signal; what it said; how long after the blow in seconds."""

    code: int
    said: list[str]
    seconds: float | None
    calls: dict[str, list[float]] = field(default_factory=dict)

    @property
    def last_line(self) -> str:
        """The last line of stderr."""
        return self.said[-1] if self.said else ""


def perform(orders: Orders) -> End:
    """Run in a process of its own and say how that ended; how long each call of a point took, if nothing struck."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.trust.preload"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(orders, sender))
    process.start()
    sender.close()
    heard: list[bytes] = []
    listener = Thread(target=lambda: heard.extend(iter(partial(os.read, receiver.fileno(), 65536), b"")))
    listener.start()
    process.join(PATIENCE_SECONDS)
    ended = time.monotonic()
    if process.exitcode is None:
        process.kill()
        process.join()
    listener.join()
    receiver.close()
    lines = b"".join(heard).decode().splitlines()
    facts = {word: json.loads(rest) for word, _, rest in (line.partition(" ") for line in lines) if word in _FACTS}
    said = [line for line in lines if line.partition(" ")[0] not in _FACTS]
    struck = facts.get("struck")
    return End(process.exitcode or 0, said, ended - struck if struck else None, facts.get("calls", {}))


def _tell(fact: str, value: object) -> None:
    # A pipe, which takes it however full the disk is.
    os.write(2, f"{fact} {json.dumps(value)}\n".encode())


def _run(orders: Orders, sender: Connection) -> None:
    """The front door, with the blow prepared."""
    os.dup2(sender.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.environ.update(orders.environment)
    os.umask(orders.umask)
    # Whoever started the tests in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_on_signals(FAILED)
    calls: dict[str, list[float]] = defaultdict(list)
    if orders.blow is None:
        for point in EVERYWHERE:
            surround(point, orders.destination, partial(_timed, calls[point]))
    else:
        blow = orders.blow
        strike = partial(_strike, blow, orders.disk)
        arm(blow.point, blow.nth, orders.destination, _later(blow, strike) if blow.after_seconds else strike)
    arguments = [orders.command, "--data-dir", str(orders.data_dir), "--destination", orders.destination]
    arguments += orders.options
    if orders.command == "run":
        arguments += ["--metrics", orders.metrics, "--progress", "plain"]
    with (
        patch.object(connection, "connect", partial(connection.connect, clock=lambda: orders.at)),
        # A few windows in each checkpoint.
        patch.object(protocol, "CHECKPOINT", timedelta(milliseconds=20)),
    ):
        code = main(arguments)
    if orders.blow is None:
        _tell("calls", calls)
    sys.exit(code)


def _timed(seconds: list[float], original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    began = time.monotonic()
    try:
        return original(*args, **kwargs)
    finally:
        seconds.append(time.monotonic() - began)


def _later(blow: Blow, strike: Callable[[], object]) -> Callable[[], object]:
    def begin() -> None:
        timer = Timer(blow.after_seconds, strike)
        timer.daemon = True
        timer.start()

    return begin


def _strike(blow: Blow, disk: Path) -> None:
    _tell("struck", time.monotonic())
    if blow.kind == FULL:
        fill(disk)
    else:
        os.kill(os.getpid(), signal.Signals[blow.kind])


def fill(disk: Path) -> None:
    """Leave no room on a disk of its own, or else, where none could be mounted, let no file of this process grow."""
    if disk.is_mount():
        room = os.statvfs(disk)
        with (disk / BALLAST).open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(room.f_bavail * room.f_frsize, 1))
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def filled_by(disk: Path) -> str:
    """How `fill` leaves no room there, in words."""
    return "a file on a tmpfs" if disk.is_mount() else "RLIMIT_FSIZE"


def make_room(disk: Path) -> None:
    """Take away what `fill` put there."""
    (disk / BALLAST).unlink(missing_ok=True)
