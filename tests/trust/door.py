"""The front door, in this process: what a command says, and the clients behind it under a scene's clock."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from pipelines.cli import execute
from sources.runai.client import RunaiClient

METRIC = "CPU_USAGE_CORES"
# Of the characters that turn directions, those that Unicode gives the direction of a letter.
_MARKS = {"ARABIC LETTER MARK", "LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK"}
_TURNING = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@dataclass(frozen=True)
class Shown:
    """What a command left on the screen, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of stderr, or "" where there is none."""
        return self.err.splitlines()[-1] if self.err else ""

    @property
    def steering(self) -> list[str]:
        """Characters on the screen that would steer a terminal, or turn the direction of the text around them."""
        return [char for char in self.out + self.err if _steers(char)]

    @property
    def warnings(self) -> list[str]:
        """What a run that published warns of."""
        return [line for line in self.out.splitlines() if line.startswith("! ")]


@dataclass
class Door:
    """Commands on one data directory. Clients go by `clock`, wait `timeout` seconds for an answer, and sleep never.

    `waits` are the seconds that they would have slept.
    """

    data_dir: Path
    clock: Callable[[], datetime]
    timeout: float = 60.0
    waits: list[float] = field(default_factory=list)

    def run(self, *options: str, metrics: str = METRIC) -> Shown:
        """Run once, incrementally."""
        return self.command("run", "--metrics", metrics, "--concurrency", "1", "--progress", "none", *options)

    def check(self, *options: str) -> Shown:
        """Try the set-up, which has no data directory."""
        return self.shown(lambda: execute(["check", *options]))

    def command(self, *arguments: str) -> Shown:
        """Give any command."""
        return self.shown(lambda: execute([*arguments, "--data-dir", str(self.data_dir)]))

    def shown(self, command: Callable[[], int]) -> Shown:
        """Whatever is said meanwhile."""
        out, err = io.StringIO(), io.StringIO()
        client = mock.patch("sources.runai.connection.RunaiClient", self._client)
        with redirect_stdout(out), redirect_stderr(err), client:
            code = command()
        return Shown(code, out.getvalue(), err.getvalue())

    def _client(self, *args: Any, **options: Any) -> RunaiClient:
        return RunaiClient(
            *args, **(options | {"clock": self.clock, "sleep": self.waits.append, "timeout": self.timeout})
        )


def _steers(char: str) -> bool:
    is_control = unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t"
    return is_control or unicodedata.bidirectional(char) in _TURNING or unicodedata.name(char, "") in _MARKS
