"""`rebuild` and `prune` where raw is not what the published tables were made from."""

from __future__ import annotations

from pathlib import Path

import pytest
from dlt.destinations.impl.filesystem import filesystem

from pipelines.cli import execute
from pipelines.logs import logs
from tests.transforms.raw_files import Bucket, DuckDBFiles, ParquetFiles, RawFiles, pod, run
from transforms import Build, Layout, publish

FILES: dict[str, type[DuckDBFiles | ParquetFiles]] = {"duckdb": DuckDBFiles, "filesystem": ParquetFiles}
EITHER = pytest.mark.parametrize("other", FILES)


def files(layout: Layout, destination: str) -> RawFiles:
    layout.data_dir.mkdir(exist_ok=True)
    return FILES[destination](layout.data_dir)


@pytest.fixture
def layout(tmp_path: Path, other: str) -> Layout:
    """A data directory with a run, loaded into another destination than the test asks for."""
    layout = Layout(tmp_path / "data")
    (loaded,) = (files(layout, destination) for destination in FILES if destination != other)
    loaded.load("1.5", pods=[pod("a")], runs=[run(3)])
    with Build(layout) as build:
        build.take_in(loaded.store)
        publish(layout, build, build.refresh(), [])
    return layout


def call(layout: Layout, command: str, destination: str) -> int:
    """The exit code; what is published is never another."""
    options = ["--progress", "none"] if command == "rebuild" else []
    was = layout.published.resolve()
    code = execute([command, "--destination", destination, *options, "--data-dir", str(layout.data_dir)])
    assert layout.published.resolve() == was
    return code


@EITHER
@pytest.mark.parametrize("command", ["rebuild", "prune"])
@pytest.mark.parametrize("is_there", [False, True], ids=["nothing there", "nothing committed"])
def test_raw_that_holds_no_committed_load_is_refused_and_leaves_no_log(
    layout: Layout, other: str, command: str, is_there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if is_there:
        files(layout, other).load("2.5", committed=False, pods=[pod("b")])
    assert call(layout, command, other) == 2
    place = layout.warehouse if other == "duckdb" else layout.raw_dir.as_uri()
    assert capsys.readouterr().err.startswith(f"error: nothing was ever loaded into {place}: start with a run, or name")
    assert logs(layout.state) == []


@pytest.mark.parametrize("other", ["duckdb"])
def test_a_bucket_that_holds_nothing_is_refused_by_its_name(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = (tmp_path / "backup").as_uri()
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", bucket)
    assert call(layout, "rebuild", "filesystem") == 2
    assert f"nothing was ever loaded into {bucket}: start with a run" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["filesystem"])
@pytest.mark.parametrize(("level", "code"), [("LOUD", 2), ("warning", 2), ("10", 2), ("ERROR", 0)])
def test_a_level_that_dlt_does_not_know_is_told_of(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], level: str, code: int
) -> None:
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", level)
    assert execute(["prune", "--dry-run", "--data-dir", str(layout.data_dir)]) == code
    said = f"error: log_level '{level}' is no level: choose DEBUG, INFO, WARNING, ERROR or CRITICAL."
    assert (said in capsys.readouterr().err) == (code == 2)


@EITHER
def test_published_runs_do_not_give_way_to_raw_that_knows_none(
    layout: Layout, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that was killed before it ended has committed pods, and no row in `runs`."""
    files(layout, other).load("2.5", pods=[pod("b")])
    assert call(layout, "rebuild", other) == 1
    said = "error: raw does not know 1 of the 1 runs that are published: give the --destination, or the bucket_url"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("other", ["filesystem"])
def test_nor_to_raw_that_has_runs_of_its_own(layout: Layout, other: str, capsys: pytest.CaptureFixture[str]) -> None:
    files(layout, other).load("2.5", pods=[pod("b")], runs=[run(4, run_id="another")])
    assert call(layout, "rebuild", other) == 1
    assert "raw does not know 1 of the 1 runs" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["duckdb"])
@pytest.mark.parametrize("url", ["~/raw", "file:{}/raw", "file://{}/raw", "{}/raw"])
def test_a_bucket_may_be_named_in_every_way_that_dlt_knows(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", url.format(tmp_path))
    assert call(layout, "rebuild", "filesystem") == 2
    assert "nothing was ever loaded into" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["duckdb"])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("backup/raw", "bucket_url is a relative path: give an absolute one"),
        ("~nobody-here/raw", "bucket_url is a relative path"),
        ("//backup/raw", "bucket_url is a relative path"),
        ("s4://backup", "bucket_url begins with s4:, which is no place that is known"),
        ("s3://[backup", "bucket_url is no URL"),
        ("s3://me:hush@backup", "bucket_url has a password or a query in it"),
        ("s3://backup?token=hush", "bucket_url has a password or a query in it"),
    ],
)
def test_a_bucket_that_cannot_be_one_place_is_refused(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, said: str
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", url)
    assert call(layout, "rebuild", "filesystem") == 2
    assert f"error: {said}" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["filesystem"])
@pytest.mark.parametrize("command", ["rebuild", "prune"])
def test_of_a_bucket_files_are_fetched_into_the_data_directory(
    layout: Layout, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A kill leaves them to the next run, which clears that folder; nobody clears `/tmp`."""
    elsewhere = ParquetFiles(tmp_path / "elsewhere")
    elsewhere.load("1.5", pods=[pod("a")], runs=[run(3)])
    elsewhere.load("2.5", pods=[pod("b")])
    bucket = Bucket(elsewhere.path)
    monkeypatch.setattr(filesystem, "fsspec_from_config", lambda _: (bucket, "/bucket"))
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "memory://bucket")
    options = ["--progress", "none"] if command == "rebuild" else []
    assert execute([command, "--destination", other, *options, "--data-dir", str(layout.data_dir)]) == 0
    assert len(bucket.copies) > 2
    assert all(copy.is_relative_to(layout.spill) for copy in bucket.copies)
    assert [path for path in layout.spill.rglob("*") if path.is_file()] == []
