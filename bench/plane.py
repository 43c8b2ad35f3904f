"""The control plane's process, from this side."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

from bench.child import ROOT


class Plane:
    """A simulated control plane in a process of its own, for the length of a `with` block."""

    def __init__(self, scene: str, pods: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.server", scene, str(pods)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.url = self._line()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()

    def requests(self) -> int:
        """How many requests came in since this was last asked."""
        return int(self._ask("requests"))

    def now(self) -> str:
        """The world's time, ISO 8601."""
        return self._ask("now")

    def change(self) -> None:
        """Let the world move on."""
        self._ask("change")

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the bench's control plane ended: its last words are above")
        return line
