"""One log file per run in `<data-dir>/state/logs/`, kept for two weeks; nothing secret is written to it.

A line is a JSON object: `at` (UTC), `level`, `logger`, `event` (what is said), `run_id`, and `exception` where there is
one. The last line of a run that came to its end has `exit_code`, and `error` where it failed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pipelines.settings import DISK_FULL
from pipelines.state import is_held

if sys.platform != "win32":
    import fcntl

_KEPT_SECONDS: Final = 14 * 24 * 3600
# A run every 15 minutes leaves 1,344 of a few kB in that time.
_MOST: Final = 2_000
_MOST_BYTES: Final = 100_000_000
_OURS: Final = ("pipelines", "sources", "transforms")
_DLT: Final = logging.getLogger("dlt")
# Nobody logs a credential on purpose; these are the shapes that one has in a header, a token or a body.
_SECRETS: Final = re.compile(
    r"(?i)(bearer\s+)[\w.~+/=-]{16,}|\b(eyJ)[\w-]{8,}\.[\w.-]+"
    r"|((?:client|app)_?secret[\"']?\s*[:=]\s*[\"']?|(?:access|id|refresh)_?token[\"']?\s*[:=]\s*[\"']?)[^\"'\s&,}]+"
    # Who one is to a proxy or a store, in its URL.
    r"|(://)[^/\s\"'@]+(?=@)"
)
_TELLING: Final = re.compile(r"(?i)token|secret|passw|credential|(api|access|account|private)_?key|connection_string")
_SHORTEST: Final = 8
"""Characters of a secret in the environment; shorter ones stand in words that hold none."""


# Controls other than tabs and line ends, what turns the direction of the text around it, and half of a character.
_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """The text with a mark in place of every character that would steer a terminal: names come from anybody."""
    return _STEERING.sub("\ufffd", text)


def redact(text: str) -> str:
    """The text, harmless, without what looks like a credential and what the environment says to be one."""
    text = harmless(text)
    for secret in _of_environment():
        text = text.replace(secret, "***")
    return _SECRETS.sub(lambda found: f"{found[1] or found[2] or found[3] or found[4]}***", text)


def _of_environment() -> list[str]:
    """Values of variables whose names tell of secrets, whoever is meant to read them; longest first."""
    values = [value for name, value in os.environ.items() if _TELLING.search(name) and len(value) >= _SHORTEST]
    return sorted(
        {form for value in values for form in (value, repr(value)[1:-1], quote(value))}, key=len, reverse=True
    )


class _JsonLines(logging.Formatter):
    """A record as a line; `extra={"facts": …}` adds fields of its own."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            "run_id": self._run_id,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(
            {name: redact(value) if isinstance(value, str) else value for name, value in entry.items()},
            ensure_ascii=False,
            default=str,
        )


class _LogFile(logging.FileHandler):
    def _open(self) -> TextIOWrapper:
        """Hold the file, for `is_held`; the system lets go of it however the process ends."""
        stream = super()._open()
        if sys.platform != "win32":
            fcntl.flock(stream, fcntl.LOCK_EX)
        return stream

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Stay silent: on a full disk the run's own error says so, and a traceback for each line would bury it."""

    def close(self) -> None:
        """Stay silent here too: what could not be written is tried once more, and would replace the run's error."""
        with suppress(OSError):
            super().close()


class _Forward(logging.Handler):
    """Hands records to the log file's handler; dlt, which sets a format on the handler it finds, may do so here."""

    def __init__(self, to: logging.Handler) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        self._to.handle(record)


@contextmanager
def log_file(state_dir: Path, *, run_id: str = "", debug: bool = False) -> Iterator[Path]:
    """Write this process's log to a new file for the length of the block; yields its path.

    Where the disk is too full for one, there is none: what needs more room says so, and `prune` makes some.
    """
    path = state_dir / "logs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{os.getpid()}.log"
    handler = _handler(path)
    handler.setFormatter(_JsonLines(run_id))
    levels = {logging.getLogger(): logging.INFO}
    levels |= {logging.getLogger(name): logging.DEBUG if debug else logging.INFO for name in _OURS}
    before = {logger: logger.level for logger in levels}
    # dlt's logger passes nothing on, and without a handler of ours it would write tracebacks to stderr.
    added: dict[logging.Logger, logging.Handler] = {logging.getLogger(): handler, _DLT: _Forward(handler)}
    others = _DLT.handlers[:]
    _DLT.handlers.clear()
    for logger, ours in added.items():
        logger.addHandler(ours)
    for logger, level in levels.items():
        logger.setLevel(level)
    try:
        yield path
    finally:
        for logger, ours in added.items():
            logger.removeHandler(ours)
        _DLT.handlers.extend(others)
        for logger, level in before.items():
            logger.setLevel(level)
        # While this one is open: a long run may have begun before many that failed at once.
        _remove_old(logs(state_dir))
        handler.close()


def _handler(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _LogFile(path, encoding="utf-8")
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        return logging.NullHandler()


def _remove_old(found: list[Path]) -> None:
    """Remove what nobody will ask for any more: not the log of the last failure, however long ago it healed."""
    for number, log in enumerate(_due(found), start=1):
        if not is_held(log) and not (_failed(log) and not any(map(_failed, found[number:]))):
            log.unlink(missing_ok=True)


def _due(found: list[Path]) -> list[Path]:
    """The logs before the first, from the newest on, that is too old or one too many."""
    since, room = time.time() - _KEPT_SECONDS, _MOST_BYTES
    for kept, log in enumerate(reversed(found)):
        # Of a call that was refused meanwhile.
        with suppress(FileNotFoundError):
            state = log.stat()
            room -= state.st_size
            if kept == _MOST or room < 0 or state.st_mtime < since:
                return found[: len(found) - kept]
    return []


def _failed(log: Path) -> bool:
    """Whether it tells of a failure, or does not tell how it ended."""
    try:
        last: dict[str, Any] = next(reversed(list(entries(log))), {})
    except FileNotFoundError:
        return False
    return bool(last.get("exit_code", 0 if is_held(log) else 1))


def logs(state_dir: Path) -> list[Path]:
    """The logs that there are, the first begun first."""
    return sorted(path for path in (state_dir / "logs").glob("*.log") if path.is_file())


def entries(log: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log that can be read, in order; a full disk or a kill may have cut one short."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry
