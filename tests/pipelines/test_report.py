"""`report`: which file it names, and whom it does not disturb."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli import execute
from pipelines.lock import Lock
from tests.transforms.raw_files import DuckDBFiles, pod, run
from transforms import Build, Layout, publish


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose report is an older page."""
    monkeypatch.chdir(tmp_path)
    layout = Layout(tmp_path / "data")
    layout.data_dir.mkdir()
    files = DuckDBFiles(layout.data_dir)
    files.load("1.5", pods=[pod("a")], runs=[run(3)])
    with Build(layout) as build:
        build.take_in(files.store)
        publish(layout, build, build.refresh(), [], version="1.2.3")
    (layout.published / "report.html").write_text("an older page")
    return layout.data_dir


def test_it_writes_the_page_again_and_says_where(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generation = (data_dir / "published").resolve()
    assert execute(["report", "--data-dir", "data"]) == 0
    assert capsys.readouterr().out == "data/published/report.html\n"
    assert "<h1>GPU report</h1>" in (generation / "report.html").read_text(encoding="utf-8")
    assert (data_dir / "published").resolve() == generation


def test_it_leaves_the_page_to_a_run_that_is_at_work(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Lock(data_dir / "state"):
        assert execute(["report", "--data-dir", "data"]) == 4
    assert "another run holds the lock" in capsys.readouterr().err
    assert (data_dir / "published" / "report.html").read_text() == "an older page"
