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


@contextmanager
def log_file(state_dir: Path, *, debug: bool = False) -> Iterator[Path]:
    """Write this process's log to a new file for the length of the block; yields its path."""
    folder = state_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z-{os.getpid()}.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    levels = {logging.getLogger(): logging.INFO}
    levels |= {logging.getLogger(name): logging.DEBUG if debug else logging.INFO for name in _OURS}
    before = {logger: logger.level for logger in levels}
    logging.getLogger().addHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)
    try:
        yield path
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)
        handler.close()
        for old in sorted(folder.glob("*.log"))[:-_KEPT]:
            old.unlink(missing_ok=True)
