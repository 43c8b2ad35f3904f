"""One log file per run in `<data-dir>/state/logs/`, the last twenty kept; nothing secret is written to it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_KEPT: Final = 20
_OURS: Final = ("pipelines", "sources", "transforms")
_DLT: Final = logging.getLogger("dlt")
# Nobody logs a credential on purpose; these are the shapes that one has in a header, a token or a body.
_SECRETS: Final = re.compile(
    r"(?i)(bearer\s+)[\w.~+/=-]{16,}|\b(eyJ)[\w-]{8,}\.[\w.-]+"
    r"|((?:client|app)_?secret[\"']?\s*[:=]\s*[\"']?|(?:access|id|refresh)_?token[\"']?\s*[:=]\s*[\"']?)[^\"'\s&,}]+"
)


def redact(text: str) -> str:
    """The text without anything that looks like a credential."""
    return _SECRETS.sub(lambda found: f"{found[1] or found[2] or found[3]}***", text)


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Stay silent: on a full disk the run's own error says so, and a traceback for each line would bury it."""


class _Forward(logging.Handler):
    """Hands records to the log file's handler; dlt, which sets a format on the handler it finds, may do so here."""

    def __init__(self, to: logging.Handler) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        self._to.handle(record)


@contextmanager
def log_file(state_dir: Path, *, debug: bool = False) -> Iterator[Path]:
    """Write this process's log to a new file for the length of the block; yields its path."""
    folder = state_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{os.getpid()}.log"
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
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
        handler.close()
        for old in old_logs(state_dir):
            old.unlink(missing_ok=True)


def old_logs(state_dir: Path) -> list[Path]:
    """All logs but the last twenty."""
    return sorted((state_dir / "logs").glob("*.log"))[:-_KEPT]
