"""A full disk, by a limit on the size of files: what could not be said is told, and `prune` makes room."""

from __future__ import annotations

import errno
import json
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from pipelines import logs
from pipelines.cli import execute
from pipelines.logs import log_file
from pipelines.run import run
from pipelines.settings import Settings
from sources.runai.client import RunaiClient
from sources.runai.credentials import AppToken
from tests.transforms.raw_files import DuckDBFiles, pod
from tests.transforms.raw_files import run as a_run
from transforms import Layout

_LOG = logging.getLogger("pipelines")


@contextmanager
def full_disk() -> Iterator[None]:
    """No file grows for the length of the block."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def with_an_old_generation(data_dir: Path) -> Layout:
    """A data directory with a generation that is due, the current one, and one committed load."""
    layout = Layout(data_dir)
    names = ["20260101T000000Z-000001", "20260101T000100Z-000002"]
    for name in names:
        (layout.generations / name).mkdir(parents=True)
        (layout.generations / name / "report.html").write_bytes(b"x" * 100_000)
    layout.published.symlink_to((layout.generations / names[1]).relative_to(data_dir))
    DuckDBFiles(data_dir).load("1.5", pods=[pod()], runs=[a_run()])
    return layout


def test_prune_makes_room_before_it_needs_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = with_an_old_generation(tmp_path)
    with full_disk():
        assert execute(["prune", "--data-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "freed before it failed: 1" in said
    assert "error: the disk is full (" in said.splitlines()[-1]
    assert list(layout.generations.iterdir()) == [layout.published.resolve()]
    # Of what failed, there was no room to tell.
    assert execute(["status", "--json", "--data-dir", str(tmp_path)]) == 0
    attempt = json.loads(capsys.readouterr().out)["last_attempt"]
    assert (attempt["outcome"], attempt["error"]) == ("cut off", "its log says nothing: was the disk full?")
    assert execute(["prune", "--data-dir", str(tmp_path)]) == 0


@pytest.mark.parametrize(("dry_run", "standing"), [(False, 1), (True, 2)])
def test_a_run_makes_room_first_and_a_dry_one_removes_nothing(tmp_path: Path, dry_run: bool, standing: int) -> None:
    layout = with_an_old_generation(tmp_path)
    client = RunaiClient("http://127.0.0.1:9", AppToken("demo", "canary-secret"))
    with full_disk(), pytest.raises(duckdb.IOException, match="File too large"):
        run(Settings(data_dir=tmp_path, dry_run=dry_run), client)
    assert len(list(layout.generations.iterdir())) == standing


def test_what_failed_first_is_told_and_not_that_its_log_is_full(tmp_path: Path) -> None:
    def fail() -> None:
        with log_file(tmp_path):
            _LOG.info("arguments")
            raise ZeroDivisionError

    with full_disk(), pytest.raises(ZeroDivisionError):
        fail()
    assert [log.stat().st_size for log in logs.logs(tmp_path)] == [0]


def test_where_there_is_no_room_for_a_log_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(logs, "_LogFile", full)
    layout = with_an_old_generation(tmp_path)
    assert execute(["prune", "--data-dir", str(tmp_path)]) == 0
    assert list((layout.state / "logs").iterdir()) == []
