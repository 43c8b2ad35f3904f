"""The last attempt to load or publish, as its log tells of it: also of one that failed before anything was loaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from pipelines.logs import entries, logs
from pipelines.settings import text_of
from pipelines.state import is_held

CUT_OFF: Final = "cut off"
_PUBLISHING: Final = {"run", "rebuild"}


@dataclass(frozen=True)
class Attempt:
    """One call of `run`, `rebuild` or `prune`; `outcome` is `done`, `failed`, `running` or `cut off`.

    Of one whose log is empty, nobody knows what it was: `command` and `run_id` are empty.
    """

    command: str
    run_id: str
    started_at: str
    ended_at: str
    outcome: str
    exit_code: int | None
    error: str | None
    log: str


def last_attempt(state_dir: Path) -> Attempt | None:
    """The newest attempt; None where no log tells of one.

    A dry run, or a `prune`, that went well mends no run that failed before it, and hides none but its like.
    """
    found = logs(state_dir)[::-1]
    mended: set[str] = set()
    for log, earlier in zip_longest(found, found[1:]):
        # Looked at before it is read: one that ends meanwhile has then said how.
        is_running = is_held(log)
        # The first that is written is of the run at work; others are about to be refused, and hide it not.
        said = None if is_running and earlier and is_held(earlier) else _said(log)
        if said == [] and not is_held(log):
            return _speechless(log)
        command = str(said[0].get("command")) if said else ""
        if not said or command in mended:
            continue
        if said[-1].get("exit_code") == 0 and command not in _PUBLISHING:
            mended.add(command)
            continue
        return _attempt(log, said[0], said[-1], is_running=is_running)
    return None


def _said(log: Path) -> list[dict[str, Any]] | None:
    try:
        return list(entries(log))
    except FileNotFoundError:
        # Of a call that was refused meanwhile.
        return None


def _speechless(log: Path) -> Attempt:
    """The attempt of a log that nobody writes and that says nothing: on a full disk there is no room for a word."""
    # Never written since it was made.
    began = text_of(datetime.fromtimestamp(log.stat().st_mtime, UTC))
    return Attempt("", "", began, began, CUT_OFF, None, "its log says nothing: was the disk full?", str(log))


def _attempt(log: Path, first: dict[str, Any], last: dict[str, Any], *, is_running: bool) -> Attempt:
    code = last.get("exit_code")
    if code is None:
        outcome, error = (
            "running" if is_running else CUT_OFF,
            None if is_running else f"the last it said: {last['event']}",
        )
    else:
        outcome, error = "failed" if code else "done", last.get("error")
    return Attempt(
        command=str(first.get("command", "")),
        run_id=str(first.get("run_id", "")),
        started_at=str(first.get("at", "")),
        ended_at=str(last.get("at", "")),
        outcome=outcome,
        exit_code=code,
        error=error,
        log=str(log),
    )
