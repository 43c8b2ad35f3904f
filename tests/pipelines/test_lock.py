"""One run at a time, and nothing to clean up after one that died."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.lock import Lock, LockHeld, current_holder

HOLD = """
import sys
from pathlib import Path
from pipelines.lock import Lock
with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(state: Path) -> Iterator[subprocess.Popen[str]]:
    """The lock in the hands of another process, until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as other:
        with pytest.raises(LockHeld, match=rf"pid {other.pid} on .+, since \d{{4}}-") as refused, Lock(tmp_path):
            pytest.fail("two runs at once")
        assert refused.value.holder is not None
        assert refused.value.holder.pid == other.pid
        holder = current_holder(tmp_path)
        assert holder is not None
        assert holder.pid == other.pid


def test_a_killed_holder_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as other:
        other.kill()
    assert (tmp_path / "lock.json").exists()
    assert current_holder(tmp_path) is None
    with Lock(tmp_path):
        holder = current_holder(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()


def test_the_lock_is_free_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Lock(tmp_path):
        raise ZeroDivisionError
    assert current_holder(tmp_path) is None
    with Lock(tmp_path):
        assert (tmp_path / "lock.json").exists()


def test_the_lock_can_be_taken_again_while_somebody_only_looked(tmp_path: Path) -> None:
    with Lock(tmp_path / "new"):
        assert current_holder(tmp_path / "new") is not None
    assert current_holder(tmp_path / "new") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_an_unreadable_holder_does_not_stop_anybody(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.json").write_text(text)
    assert current_holder(tmp_path) is None
    with Lock(tmp_path):
        assert current_holder(tmp_path) is not None
