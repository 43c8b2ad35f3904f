"""The last screen of a run."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.run import RunResult
from pipelines.settings import Settings
from pipelines.summary import show_plan, show_summary, warnings_of
from sources.runai.reading.metrics import MetricsReport
from sources.runai.reading.observations import ReadingReport
from tests.pipelines.generations import T0, count, pod, publish, run
from transforms import Finding


def result(**fields: object) -> RunResult:
    """What an incremental run did, over whatever is published."""
    reading = ReadingReport(pods_read=1204, pods_new=38, pods_changed=99, pods_completed=40, pods_deleted=12)
    seconds = {"read_seconds": 3.1, "load_seconds": 1.2, "build_seconds": 2.0, "publish_seconds": 0.3}
    made = RunResult("r", as_of=T0, started_at=T0, finished_at=T0 + timedelta(seconds=9), reading=reading, requests=27)
    for name, value in {**seconds, **fields}.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pods = [pod("a"), pod("b", allocated_gpu=0.5), pod("c", project_name=None), pod("d", phase="Succeeded")]
    counts = [count(T0, "filterBy=createdAt<=2026", 4, 4)]
    publish(tmp_path / "my data", runs=[run(T0)], pods=pods, pod_counts=counts)
    return tmp_path / "my data"


def screen(capsys: pytest.CaptureFixture[str], made: RunResult, data_dir: Path, **settings: object) -> list[str]:
    rows_before = {"pods": 3, "runs": 1}
    show_summary(made, Settings(data_dir=data_dir, **settings), rows_before)  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert len(lines) <= 35
    return lines


def test_an_incremental_run_says_what_changed(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = screen(capsys, result(retries=2), data_dir)
    assert lines[0] == "runai-pods  incremental run, as of 2026-03-01 12:00 UTC, published after 6.6 s"
    assert lines[2:7] == [
        "pods      1,204 read: 38 new, 61 changed; 40 completed, 12 deleted",
        "requests  27, 2 of them again",
        "samples   0 read",
        "counts    agree with the API's: 4 of 4 pods",
        "time      read 3.1 s, load 1.2 s, build 2.0 s, publish 0.3 s",
    ]
    assert re.fullmatch(r"data      [\d.]+ MB: raw 0 B, published [\d.]+ MB, state [\d.]+ kB", lines[7])


def test_tables_and_projects_stand_side_by_side(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = screen(capsys, result(), data_dir)
    table = [line.split() for line in lines[9:13]]
    assert table == [
        ["table", "rows", "project", "pods", "running", "GPUs"],
        ["pods", "4", "+1", "vision", "3", "2", "1.5"],
        ["pod_counts", "1", "1", "1", "1", "1.0"],
        ["runs", "1"],
    ]


def test_what_to_open_next_can_be_pasted(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = screen(capsys, result(), data_dir)[-5:]
    assert lines[0] == "DuckDB   duckdb 'my data/published/runai.duckdb' -c 'from pods limit 5'"
    assert "duckdb.connect('my data/published/runai.duckdb', read_only=True)" in lines[1]
    assert lines[2] == "Parquet  my data/published/parquet/<table>/"
    assert lines[3] == "report   my data/published/report.html"
    assert lines[4].endswith("status --data-dir 'my data'")


def test_elsewhere_paths_are_absolute(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere := data_dir.parent / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    assert f"duckdb '{data_dir}/published/runai.duckdb'" in screen(capsys, result(), data_dir)[-5]


@pytest.mark.parametrize(("settings", "is_told"), [({}, True), ({"since": T0}, False), ({"metrics": "none"}, False)])
def test_the_first_run_with_metrics_says_how_to_ask_for_older_ones(
    data_dir: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, object], is_told: bool
) -> None:
    lines = screen(capsys, result(first_metrics=True), data_dir, **settings)
    assert any("of the last 24 hours, --since DATE asks for more" in line for line in lines) is is_told


def test_a_run_without_changes_says_so(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = screen(capsys, result(reading=ReadingReport(pods_read=7)), data_dir)
    assert lines[2] == "pods      7 read: nothing changed"


def test_a_rebuild_speaks_of_no_requests(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = screen(capsys, result(requests=0, read_seconds=0.0, load_seconds=0.0), data_dir)
    assert "rebuilt from raw" in lines[0]
    assert [line.split()[0] for line in lines[2:4]] == ["counts", "time"]
    assert lines[3] == "time    build 2.0 s, publish 0.3 s"


def test_everything_odd_is_a_warning() -> None:
    reading = ReadingReport(rejects=3, warnings=["tie"], unknown_fields=Counter(foo=2), unreadable_fields=Counter(ip=1))
    made = result(
        reading=reading,
        metrics=MetricsReport(windows=Counter(failed=5)),
        drained_loads=1,
        findings=[Finding("phases", "warn", "An unknown phase.", count=2, rows=[{"phase": "a"}, {"phase": "b"}])],
    )
    assert warnings_of(made) == [
        "an earlier run was cut off: its load packages (1) were loaded first",
        "tie",
        "An unknown phase. 2 rows, such as: phase a",
        "3 payloads could not be read, or contradict another; the raw table rejects keeps them",
        "fields that are not in the contract, kept as they came: foo (2)",
        "fields that are unreadable, kept as they came: ip (1)",
        ("5 requests for metrics failed; the next run asks again"),
    ]
    assert warnings_of(result()) == []


def test_a_flood_of_warnings_is_cut_and_points_to_the_log(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reading = ReadingReport(warnings=[f"warning [{number}]" for number in range(12)])
    lines = [line for line in screen(capsys, result(reading=reading), data_dir) if line.startswith("!")]
    assert lines[0] == "! warning [0]"
    assert lines[-1] == "! and 7 more, in my data/state/logs"
    assert len(lines) == 6


def test_a_plan_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(result(plan=["pods: the open set (50 pods)", "metrics: none " + "x" * 120]))
    assert capsys.readouterr().out.splitlines() == [
        "dry run: nothing was loaded",
        "  pods: the open set (50 pods)",
        "  metrics: none " + "x" * 120,
    ]
