"""One run at a time, and nothing to clean up after one that died."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from pipelines.cli import execute
from pipelines.lock import Lock, LockHeld, current_holder
from tests.behaviour.scene import scene

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


def test_whoever_looks_needs_no_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a read-only mount, where a run is at work and where one was killed."""
    writable = os.open

    def read_only(path: str, flags: int, *rest: int, **options: int) -> int:
        if str(path).startswith(str(tmp_path)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system", path)
        return writable(path, flags, *rest, **options)

    with held_elsewhere(tmp_path / "state") as other:
        monkeypatch.setattr(os, "open", read_only)
        holder = current_holder(tmp_path / "state")
        assert holder is not None
        assert holder.pid == other.pid
        assert execute(["status", "--data-dir", str(tmp_path)]) == 0
        assert execute(["status", "--data-dir", str(tmp_path), "--max-age", "2h"]) == 3
        other.kill()
    assert (tmp_path / "state" / "lock.json").exists()
    assert current_holder(tmp_path / "state") is None


def test_who_looks_is_no_run_at_work_to_another_who_looks(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as other:
        other.kill()
    with (tmp_path / "lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert current_holder(tmp_path) is None


def test_a_run_waits_out_whoever_looks(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    file = (tmp_path / "lock").open("rb")
    fcntl.flock(file, fcntl.LOCK_SH)
    leaving = Timer(0.1, file.close)
    leaving.start()
    with Lock(tmp_path):
        assert file.closed
    leaving.join()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_an_unreadable_holder_does_not_stop_anybody(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.json").write_text(text)
    assert current_holder(tmp_path) is None
    with Lock(tmp_path):
        assert current_holder(tmp_path) is not None


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of which a report can be made."""
    with scene(tmp_path_factory.mktemp("lock") / "data") as here:
        here.run()
        return here.data_dir


@pytest.mark.parametrize(
    "left",
    [
        json.dumps({"pid": 2**22 + 1, "host": socket.gethostname(), "started_at": "2026-01-05T00:00:00+00:00"}),
        # Once the machine was rebooted, the number is somebody else's.
        json.dumps({"pid": 1, "host": socket.gethostname(), "started_at": "2026-01-05T00:00:00+00:00"}),
        json.dumps({"pid": 1, "host": "a-container-that-is-gone", "started_at": "2026-01-05T00:00:00+00:00"}),
        json.dumps({"owner": "another program"}),
        "\0",
    ],
    ids=["dead", "rebooted", "another machine", "foreign", "damaged"],
)
def test_a_lock_whose_holder_is_gone_is_taken_over(published: Path, left: str) -> None:
    told = published / "state" / "lock.json"
    told.write_text(left)
    assert execute(["report", "--data-dir", str(published)]) == 0
    assert not told.exists()


def test_a_live_holder_is_respected_and_named(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = published / "state" / "lock.json"
    with held_elsewhere(told.parent) as other:
        for command in ("report", "rebuild"):
            assert execute([command, "--data-dir", str(published)]) == 4
            said = capsys.readouterr().err.splitlines()[-1]
            who = re.escape(f"pid {other.pid} on {socket.gethostname()}, since ")
            assert re.fullmatch(rf"error: another run holds the lock: {who}\d{{4}}-\S+; wait for it to end\.", said)
        told.write_text("{")
        assert execute(["report", "--data-dir", str(published)]) == 4
        said = capsys.readouterr().err.splitlines()[-1]
        assert said == "error: another run holds the lock: it has just started; wait for it to end."
