"""How a run tells what it is doing: live on a terminal, plain lines under cron, or not at all. Always on stderr."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

_QUIET_SECONDS = 10.0


class Progress:
    """Listens to a run, and ignores what it hears. Stages follow one another; any thread may call `advance`."""

    def stage(self, name: str, total: int | None = None, unit: str = "") -> None:
        """Begin a stage of `total` units (None: not known beforehand), which ends the stage before."""

    def advance(self, n: int = 1, **facts: object) -> None:
        """Add `n` units to the current stage; facts are shown beside it, the latest of each name."""

    def note(self, text: str) -> None:
        """Say something that the reader should not miss."""

    def close(self) -> None:
        """End the last stage; may be called twice."""


SILENT: Final = Progress()


class PlainProgress(Progress):
    """One line when a stage ends, and one every ten seconds while it lasts."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._guard = threading.RLock()
        self._name: str | None = None

    def stage(self, name: str, total: int | None = None, unit: str = "") -> None:
        """Begin a stage; nothing is written yet."""
        with self._guard:
            self.close()
            self._name, self._total, self._unit = name, total, unit
            self._done, self._facts = 0, dict[str, object]()
            self._began = self._spoke = self._clock()

    def advance(self, n: int = 1, **facts: object) -> None:
        """Count, and write a line where ten seconds went by without one."""
        with self._guard:
            if self._name is None:
                return
            self._done += n
            self._facts |= facts
            if self._clock() - self._spoke >= _QUIET_SECONDS:
                self._spoke = self._clock()
                self._say("…")

    def note(self, text: str) -> None:
        """Write the text as a line."""
        with self._guard:
            self._write(text)

    def close(self) -> None:
        """Write the line of the last stage."""
        with self._guard:
            if self._name is not None:
                self._say("")
                self._name = None

    def _say(self, ending: str) -> None:
        done = amount(self._done, self._total, self._unit)
        parts = [part for part in (done, *facts_text(self._facts), f"{self._clock() - self._began:.1f} s") if part]
        self._write(f"{self._name}: {', '.join(parts)}{ending}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class LiveProgress(Progress):
    """One moving line per stage on a terminal; finished stages stay on the screen."""

    def __init__(self, stream: TextIO) -> None:
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            console=Console(file=stream),
        )
        self._guard = threading.RLock()
        self._task: TaskID | None = None

    def stage(self, name: str, total: int | None = None, unit: str = "") -> None:
        """Begin a moving line."""
        with self._guard:
            self._finish()
            self._bars.start()
            self._done, self._total, self._unit, self._facts = 0, total, unit, dict[str, object]()
            self._task = self._bars.add_task(name, total=total, amount="")

    def advance(self, n: int = 1, **facts: object) -> None:
        """Count, and move the line."""
        with self._guard:
            if self._task is None:
                return
            self._done += n
            self._facts |= facts
            shown = [amount(self._done, self._total, self._unit), *facts_text(self._facts)]
            self._bars.update(self._task, completed=self._done, amount=", ".join(filter(None, shown)))

    def note(self, text: str) -> None:
        """Print the text above the moving line."""
        with self._guard:
            self._bars.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the finished lines on the screen."""
        with self._guard:
            self._finish()
            self._bars.stop()

    def _finish(self) -> None:
        if self._task is not None:
            full = max(self._done, 1)
            self._bars.update(self._task, total=full, completed=full)
            self._task = None


def open_progress(kind: str, stream: TextIO | None = None) -> Progress:
    """The listener for `--progress`: `auto` is live on a terminal and plain elsewhere."""
    stream = sys.stderr if stream is None else stream
    if kind == "none":
        return SILENT
    if kind == "auto" and stream.isatty() and os.environ.get("TERM") != "dumb":
        return LiveProgress(stream)
    return PlainProgress(stream)


def amount(done: int, total: int | None, unit: str) -> str:
    """Units done, such as `1,204 of 2,000 pods`; empty when nothing was counted."""
    if not done and not total:
        return ""
    of = f" of {total:,}" if total is not None else ""
    return f"{done:,}{of} {unit}".rstrip()


def facts_text(facts: dict[str, object]) -> list[str]:
    """Facts as words, such as `retries 3`, leaving out those that are zero or missing."""
    return [
        f"{name.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else value}"
        for name, value in facts.items()
        if value
    ]
