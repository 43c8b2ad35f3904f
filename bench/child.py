"""One measured process: its wall time, its peak memory, and the JSON that it printed last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
# ru_maxrss is in kilobytes on Linux and in bytes on macOS.
RSS_PER_MB: Final = 1e6 if sys.platform == "darwin" else 1e6 / 1024


@dataclass(frozen=True)
class Measured:
    """What a process cost: seconds from start to exit, of its CPUs, megabytes (10^6) at its peak, and what it said."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    said: dict[str, Any]


def run(arguments: Sequence[str], folder: Path, **environment: str) -> Measured:
    """Run `python ARGUMENTS`, its output kept in `folder`.

    The child's peak counts from the fork on, so this process must stay small: only the standard library is imported.

    Raises:
        RuntimeError: it failed; the end of its output is in the message.
    """
    output = folder / "output.txt"
    with output.open("w+") as stream:
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean_environment(folder, environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    text = output.read_text()
    if child.returncode != 0:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {child.returncode}:\n{text[-3000:]}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / RSS_PER_MB, _last_json(text))


def clean_environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without any configuration of dlt or a proxy, and with dlt's folders in `folder`."""
    kept = {k: v for k, v in os.environ.items() if "__" not in k.strip("_") and not k.lower().endswith("_proxy")}
    mine = {"DLT_DATA_DIR": str(folder), "DLT_PROJECT_DIR": str(folder), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    return {**kept, **mine, **extra}


def _last_json(text: str) -> dict[str, Any]:
    last = text.strip().rpartition("\n")[2]
    said: dict[str, Any] = json.loads(last) if last.startswith("{") else {}
    return said
