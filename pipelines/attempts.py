"""The last attempt to load or publish, as its log tells of it: also of one that failed before anything was loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipelines.failures import LOCKED
from pipelines.logs import entries

CUT_OFF: Final = "cut off"
_PUBLISHING: Final = {"run", "rebuild"}


@dataclass(frozen=True)
class Attempt:
    """One call of `run`, `rebuild` or `prune`; `outcome` is `done`, `failed`, `running` or `cut off`."""

    command: str
    run_id: str
    started_at: str
    ended_at: str
    outcome: str
    exit_code: int | None
    error: str | None
    log: str


def last_attempt(state_dir: Path, *, is_running: bool) -> Attempt | None:
    """The newest attempt that was not refused for the lock; None where no log tells of one.

    A dry run, or a `prune`, that went well mends no run that failed before it, and hides none.
    """
    for log in sorted((state_dir / "logs").glob("*.log"), reverse=True):
        said = list(entries(log))
        if not said or said[-1].get("exit_code") == LOCKED:
            continue
        if said[-1].get("exit_code") == 0 and said[0].get("command") not in _PUBLISHING:
            continue
        return _attempt(log, said[0], said[-1], is_running=is_running)
    return None


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
