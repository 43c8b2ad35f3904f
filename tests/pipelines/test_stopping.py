"""SIGTERM and Ctrl-C: a sentence, a free lock, exit code 1, at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.lock import current_holder
from pipelines.logs import entries
from pipelines.settings import ROOT
from simulator import Fault, Switches, WorldConfig
from tests.behaviour.scene import START, Scene, scene

SCRIPT = ROOT / "pipelines" / "pods_pipeline.py"
KEPT = "what was committed is kept, and the next run goes on from there."
AT_ONCE = """
import os, signal, sys, time
from pipelines import stopping
{}
stopping.end_on_signals(1)
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.1)
print("still here", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Whoever started the tests in the background ignores Ctrl-C; what tests start shall not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def begun(here: Scene, *command: str, requests: int = 1) -> Iterator[subprocess.Popen[str]]:
    """The front door, as soon as it has sent so many requests for pods."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while sum("/pods" in seen.path for seen in list(here.simulator.requests)) < requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process
        process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and the last line of stderr of a process that has five seconds to end."""
    _, error = process.communicate(timeout=5)
    return process.returncode, error.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (signal.SIGTERM, Fault(path="/pods", kind="timeout")),
        (signal.SIGINT, Fault(path="/pods", status=429, headers={"Retry-After": "100"})),
    ],
    ids=["a server that hangs", "a server that asks for patience"],
)
def test_a_signal_ends_a_run_at_once(tmp_path: Path, number: signal.Signals, fault: Fault) -> None:
    with scene(tmp_path, config=WorldConfig(pods=20, start=START), switches=Switches(faults=(fault,))) as here:
        data_dir, state = tmp_path / "data", tmp_path / "data" / "state"
        with begun(here, "--data-dir", str(data_dir), "--progress", "plain") as process:
            assert current_holder(state) is not None
            process.send_signal(number)
            assert ended(process) == (1, f"error: interrupted by {number.name}; {KEPT}")
        assert current_holder(state) is None
        assert not (state / "lock.json").exists()
        (log,) = (state / "logs").iterdir()
        assert [*entries(log)][-1]["event"] == f"interrupted by {number.name}"


def test_other_commands_end_so_too(tmp_path: Path) -> None:
    hangs = Switches(faults=(Fault(path="/pods", kind="timeout"),))
    with scene(tmp_path, config=WorldConfig(pods=20, start=START), switches=hangs) as here, begun(here, "check") as one:
        one.send_signal(signal.SIGINT)
        assert ended(one) == (1, f"error: interrupted by SIGINT; {KEPT}")


@pytest.mark.parametrize(
    ("beforehand", "said", "name"),
    [
        ("", "", "SIGINT"),
        # As `nohup` and `&` in a script have it.
        ("signal.signal(signal.SIGINT, signal.SIG_IGN)", "still here\n", "SIGTERM"),
        ("stopping.FAREWELLS.append(lambda: 1 / 0)", "", "SIGINT"),
    ],
    ids=["as it is", "ignored", "a farewell fails"],
)
def test_a_signal_is_the_end_unless_the_caller_ignores_it(beforehand: str, said: str, name: str) -> None:
    code = AT_ONCE.format(beforehand)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (1, said)
    assert done.stderr == f"error: interrupted by {name}; {KEPT}\n"


def test_a_farewell_that_hangs_does_not_put_off_the_end() -> None:
    code = AT_ONCE.format("stopping.LONGEST_FAREWELL_SECONDS = 0.1; stopping.FAREWELLS.append(lambda: time.sleep(60))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (1, "")
