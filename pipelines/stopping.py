"""SIGTERM and Ctrl-C: say so, free the lock and end, whatever is going on.

A run bears being killed at any moment, so stopping one is just that, with a word of farewell: no exception has to find
its way out of a server that hangs, a statement of DuckDB or a pool of threads that wait for an hour to pass.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread, Timer
from typing import Final

INTERRUPTED: Final = "{}; what was committed is kept, and the next run goes on from there."
LONGEST_FAREWELL_SECONDS: Final = 3.0
"""A disk or a terminal that hangs may hold up words, but not the end."""

FAREWELLS: Final[list[Callable[[], object]]] = []
"""What a signal calls before the end, the last one first, from a thread of its own while all others go on."""

_LOG = logging.getLogger(__name__)


def end_on_signals(code: int) -> None:
    """Let SIGTERM and SIGINT end this process with this exit code; to be called before any other thread begins.

    What the caller ignores, as `nohup` and `&` in a script do, stays ignored. On Windows, Ctrl-C stays Python's.
    """
    if sys.platform == "win32":
        return
    heard = {one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN}
    # Blocked, a signal waits for `sigwait`: no handler can be put in its way, and dlt puts one there for every load.
    signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    Thread(target=lambda: _end(signal.sigwait(heard), code), name="signals", daemon=True).start()


def _end(number: int, code: int) -> None:
    """Say farewell, and end."""
    Timer(LONGEST_FAREWELL_SECONDS, os._exit, [code]).start()
    name = signal.Signals(number).name
    with ExitStack() as last:
        last.callback(os._exit, code)
        last.callback(print, f"error: {INTERRUPTED.format(f'interrupted by {name}')}", file=sys.stderr, flush=True)
        last.callback(_LOG.info, "interrupted by %s", name)
        # Called from the last to the first, each whether or not another one failed.
        for farewell in FAREWELLS:
            last.callback(farewell)
