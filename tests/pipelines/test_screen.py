"""What a command says, where nobody hears it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.settings import ROOT
from tests.pipelines.generations import T0, publish, run

SCRIPT = ROOT / "pipelines" / "pods_pipeline.py"
# As Python is by default: short outputs wait for the end.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
FULL = "stdout cannot be written (No space left on device): the exit code tells how it went.\n"


@contextmanager
def unheard(how: str) -> Iterator[int]:
    """A file that is full, or the end of a pipe that nobody reads any more."""
    if how == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("how", "said"), [("full", FULL), ("left", "")], ids=["full", "left"])
@pytest.mark.parametrize(("command", "code"), [("--help", 0), ("status", 0), ("status --json --max-age 1h", 3)])
def test_a_stdout_that_nobody_hears_leaves_the_exit_code_as_it_is(
    tmp_path: Path, how: str, said: str, command: str, code: int
) -> None:
    options = []
    if command != "--help":
        publish(tmp_path, runs=[run(T0)])
        options = ["--data-dir", str(tmp_path)]
    with unheard(how) as stdout:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *command.split(), *options],
            env=BUFFERED,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize(("closed", "code"), [(">&-", 3), ("2>&-", 2), (">&- 2>&-", 3), ("2>/dev/full", 2)])
def test_what_the_caller_has_closed_leaves_the_exit_code_as_it_is(tmp_path: Path, closed: str, code: int) -> None:
    age = {3: "1h", 2: "soon"}[code]
    command = f'"$0" "$1" status --max-age {age} --data-dir "$2" {closed}'
    arguments = ["sh", "-c", command, sys.executable, str(SCRIPT), str(tmp_path)]
    assert subprocess.run(arguments, env=BUFFERED, capture_output=True, check=False).returncode == code


def test_letters_that_the_locale_lacks_are_told_by_number(tmp_path: Path) -> None:
    data_dir = tmp_path / "schränke"
    publish(data_dir, runs=[run(T0)])
    for options, code, said in (([], 0, r"schr\xe4nke"), (["--max-age", "sölden"], 2, r"s\xf6lden")):
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "status", "--data-dir", str(data_dir), *options],
            env={**BUFFERED, "PYTHONIOENCODING": "ascii:strict"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert said in done.stdout + done.stderr
