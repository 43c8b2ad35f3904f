"""What a run says while it works."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.progress import SILENT, LiveProgress, PlainProgress, Progress, open_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_progress_is_one_line_per_stage() -> None:
    stream, time = io.StringIO(), Time()
    progress = PlainProgress(stream, time)
    progress.stage("open pods", unit="pods")
    progress.advance(400)
    time.now = 2.5
    progress.advance(12, retries=3, warnings=0)
    progress.stage("load", total=1)
    progress.note("an earlier run was cut off")
    progress.close()
    progress.close()
    assert stream.getvalue().splitlines() == [
        "open pods: 412 pods, retries 3, 2.5 s",
        "an earlier run was cut off",
        "load: 0 of 1, 0.0 s",
    ]


def test_plain_progress_speaks_every_ten_seconds() -> None:
    stream, time = io.StringIO(), Time()
    progress = PlainProgress(stream, time)
    progress.stage("metrics", total=2000, unit="pods")
    for second in range(1, 26):
        time.now = second
        progress.advance(50)
    assert stream.getvalue().splitlines() == [
        "metrics: 500 of 2,000 pods, 10.0 s…",
        "metrics: 1,000 of 2,000 pods, 20.0 s…",
    ]


def test_live_progress_leaves_finished_stages_and_the_cursor_behind() -> None:
    terminal = Terminal()
    progress = LiveProgress(terminal)
    progress.stage("open pods", unit="pods")
    progress.advance(1204)
    progress.stage("load")
    progress.note("[not markup]")
    progress.close()
    progress.close()
    shown = terminal.getvalue()
    assert "1,204 pods" in shown
    assert "[not markup]" in shown
    assert shown.count("✓") >= 2
    assert shown.endswith("\x1b[?25h")


@pytest.mark.parametrize("progress", [PlainProgress(io.StringIO()), LiveProgress(io.StringIO())])
def test_threads_lose_no_unit(progress: PlainProgress | LiveProgress) -> None:
    progress.stage("pods", unit="pods")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: [progress.advance() for _ in range(200)], range(8)))
    assert progress._done == 1600
    progress.close()


@pytest.mark.parametrize(
    ("kind", "stream", "expected"),
    [
        ("auto", Terminal(), LiveProgress),
        ("auto", io.StringIO(), PlainProgress),
        ("plain", Terminal(), PlainProgress),
        ("none", Terminal(), Progress),
    ],
)
def test_the_kind_follows_the_option_and_the_terminal(
    kind: str, stream: io.StringIO, expected: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert type(open_progress(kind, stream)) is expected


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_progress("auto", Terminal()), PlainProgress)


def test_advancing_before_the_first_stage_says_nothing() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.advance(5)
    progress.close()
    SILENT.advance(5)
    assert stream.getvalue() == ""
