"""`status`: the age and the completeness of what is published, without a lock."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import attempts
from pipelines.lock import Lock
from pipelines.logs import log_file
from pipelines.settings import UsageError
from pipelines.status import counts_in_words, in_words, metrics_in_words, parse_age, read_status, show_status
from tests.pipelines.generations import T0, count, pod, publish, run
from transforms import Layout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("PT2H", timedelta(hours=2)),
        ("P1DT30M", timedelta(days=1, minutes=30)),
        ("1.5h", timedelta(minutes=90)),
        ("7200", timedelta(hours=2)),
    ],
)
def test_ages_are_read(text: str, expected: timedelta) -> None:
    assert parse_age(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "2 weeks", "h2", "-1h", "1h30", "2hh", "0", "9999999999d", "1.h", "1h1h"])
def test_malformed_ages_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-age"):
        parse_age(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (90000, "1 d 1 h"),
        (172800, "2 d"),
    ],
)
def test_lengths_of_time_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_before_the_first_run_there_is_nothing_but_that(tmp_path: Path) -> None:
    status = read_status(tmp_path, T0)
    assert (status.last_run, status.age_seconds, status.is_stale, status.counts_agree) == (None, None, False, None)
    assert read_status(tmp_path, T0, timedelta(hours=1)).is_stale


@pytest.mark.parametrize(("age", "is_stale"), [(119, False), (121, True)])
def test_data_is_stale_when_the_last_run_that_loaded_is_older(tmp_path: Path, age: int, is_stale: bool) -> None:
    ended = T0 - timedelta(minutes=age)
    # A run that failed later makes nothing fresher; as_of, which --until can move, is not the age.
    runs = [run(ended, as_of=T0 - timedelta(days=9)), run(T0, outcome="failed")]
    publish(tmp_path, runs=runs)
    status = read_status(tmp_path, T0, timedelta(hours=2))
    assert status.age_seconds == age * 60
    assert status.is_stale is is_stale


def test_pods_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    pods = [
        pod("running"),
        pod("done", is_completed=True, completed_at=T0),
        pod("deleted", is_deleted=True),
        pod("gone", is_reachable=False),
    ]
    publish(tmp_path, runs=[run(T0)], pods=pods)
    known = {"known": 4, "open": 1, "completed": 1, "deleted": 1, "unreachable": 1}
    assert read_status(tmp_path, T0).pods == known


UNTIL_T0 = "createdAt<=2026-03-01T11:59:00Z"


def test_counts_are_those_of_the_last_run(tmp_path: Path) -> None:
    yesterday = T0 - timedelta(days=1)
    counts = [
        count(yesterday, "filterBy=createdAt<=2026-02-28T11:59:00Z", 9, 8, as_of=yesterday),
        count(T0, f"filterBy={UNTIL_T0}", 1200, 1199),
        # The same instant read again: the demo's clock stands still after a failure.
        count(T0 + timedelta(seconds=1), f"filterBy={UNTIL_T0}", 1200, 1200),
        count(T0, f"filterBy=deletedAt>=2026,{UNTIL_T0}&deleted=true", 4, 4),
        count(T0, "filterBy=createdAt<=2026-02-20T23:59:59Z", 100, 100, is_whole=False),
        count(T0, f"filterBy=createdAt>=2026-03-01,{UNTIL_T0}", 30, 30, is_whole=False),
        count(T0 + timedelta(days=1), "search=x", 5, None, as_of=T0 + timedelta(days=1)),
    ]
    # The clock that stamps counts is the control plane's, as of which the run is; the demo's is days behind.
    publish(tmp_path, runs=[run(T0 + timedelta(days=3))], pod_counts=counts)
    status = read_status(tmp_path, T0)
    assert status.counts_agree is True
    assert len(status.counts) == 4
    assert counts_in_words(status) == "agree with the API's: 1,204 of 1,204 pods"


def test_counts_that_differ_are_summed_up(tmp_path: Path) -> None:
    counts = [
        count(T0, f"filterBy={UNTIL_T0}", 1210, 1204),
        count(T0, f"filterBy={UNTIL_T0}&deleted=true", 4, 4),
        count(T0, f"filterBy=createdAt>=2026-02-28,{UNTIL_T0}", 40, 34, is_whole=False),
    ]
    publish(tmp_path, runs=[run(T0)], pod_counts=counts)
    status = read_status(tmp_path, T0)
    assert status.counts_agree is False
    assert counts_in_words(status).startswith(
        "differ from the API's: it has 1,214 pods, here are 1,208; 2 counts differ"
    )


def test_a_stretch_in_which_the_api_forgets_is_a_gap(tmp_path: Path) -> None:
    days = [0, 1, 16, 29]
    publish(tmp_path, runs=[run(T0 + timedelta(days=day), as_of=T0 + timedelta(days=day)) for day in days])
    assert read_status(tmp_path, T0).gaps == [{"from": "2026-03-02T12:00:00Z", "to": "2026-03-17T12:00:00Z"}]


def test_what_is_under_way_and_what_waits_is_told(tmp_path: Path) -> None:
    for package in ("normalize/extracted/1", "load/new/2", "load/normalized/3", "load/loaded/4"):
        (tmp_path / "state" / "dlt" / "duckdb" / "runai_pods" / package).mkdir(parents=True)
    with Lock(tmp_path / "state"):
        status = read_status(tmp_path, T0)
    assert status.pending_loads == 3
    assert status.running is not None
    assert read_status(tmp_path, T0).running is None


def test_json_is_one_object_with_stable_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path, runs=[run(datetime.now(UTC))], pods=[pod("a")], pod_counts=[count(T0, UNTIL_T0, 1, 1)])
    assert show_status(tmp_path, "2h", as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == [
        *("data_dir", "checked_at", "last_run", "age_seconds", "max_age_seconds", "is_stale", "pods", "counts_agree"),
        *("counts", "gaps", "metrics", "rejects", "warnings", "pending_loads", "running", "last_attempt"),
        *("generations", "bytes"),
    ]
    assert shown["last_run"]["outcome"] == "loaded"
    assert shown["counts_agree"] is True


def test_the_screen_says_stale_and_exits_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path, runs=[run(T0, rejects=2), run(T0, rejects=2, rejects_new=0)], pods=[pod("a")])
    assert show_status(tmp_path, "2h", as_json=False) == 3
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [
        *("data", "size", "last", "stale", "pods", "counts", "metrics", "gaps", "rejects"),
    ]
    assert lines[-1][1].strip() == "2"


def test_what_the_audit_warned_of_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phases = {"name": "pods_unknown_phase", "severity": "warn", "message": "Odd phases.", "count": 2}
    phases["rows"] = [{"phase": "Dreaming", "pods": 3}, {"phase": None, "pods": 1}]
    publish(tmp_path, runs=[run(T0)], warnings=[phases])
    assert read_status(tmp_path, T0).warnings == [phases]
    assert show_status(tmp_path, None, as_json=False) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split(None, 1) == ["warning", "Odd phases. 2 rows: phase Dreaming, pods 3; phase null, pods 1"]


def test_a_manifest_of_before_there_were_warnings_has_none(tmp_path: Path) -> None:
    database = publish(tmp_path, runs=[run(T0)])
    (database.parent / "manifest.json").write_text('{"tables": {}}')
    assert read_status(tmp_path, T0).warnings == []


def test_a_reader_of_the_old_generation_does_not_disturb(tmp_path: Path) -> None:
    old = publish(tmp_path, "old", runs=[run(T0)])
    with duckdb.connect(str(old), read_only=True):
        publish(tmp_path, "new", runs=[run(T0 + timedelta(hours=1))])
        assert read_status(tmp_path, T0 + timedelta(hours=2)).age_seconds == 3600


OPEN = "series: 1 to be asked again, 2 failed, 3 that the API has no more of"


@pytest.mark.parametrize(
    ("wanted", "covered", "others", "words"),
    [
        (0, 0, {}, "none wanted"),
        (10, 10, {}, "100 % of the wanted time covered"),
        (10, 9.99999, {}, "99.99 % of the wanted time covered"),
        (
            10,
            5,
            {"pending": 1, "failed": 2, "incomplete": 3, "disabled": 4},
            f"50.00 % of the wanted time covered; {OPEN}; 4 types are not given by this control plane",
        ),
    ],
)
def test_coverage_is_told_in_words(wanted: float, covered: float, others: dict[str, int], words: str) -> None:
    none = {"pending": 0, "failed": 0, "incomplete": 0, "disabled": 0}
    assert metrics_in_words({"wanted_hours": wanted, "covered_hours": covered, **none, **others}) == words


def test_coverage_is_summed_over_pods_and_metrics(tmp_path: Path) -> None:
    rows = [
        {"pod_id": "a", "metric": "CPU", "covered_seconds": 3600, "wanted_seconds": 3600, "status": "ok"},
        {"pod_id": "a", "metric": "GPU", "covered_seconds": 0, "wanted_seconds": 3600, "status": "failed"},
        {"pod_id": "b", "metric": "GPU", "covered_seconds": 0, "wanted_seconds": 0, "status": "not_applicable"},
    ]
    publish(tmp_path, runs=[run(T0)], pod_metric_coverage=rows)
    metrics = read_status(tmp_path, T0).metrics
    assert (metrics["covered_hours"], metrics["wanted_hours"], metrics["failed"]) == (1, 2, 1)


def test_all_that_the_api_has_no_more_of_is_counted(tmp_path: Path) -> None:
    statuses = ("ok", "pending", "failed", "partial", "empty", "not_found", "expired", "disabled", "not_applicable")
    rows = [{"pod_id": "a", "metric": status, "status": status, "wanted_seconds": 1} for status in statuses]
    publish(tmp_path, runs=[run(T0)], pod_metric_coverage=rows)
    metrics = read_status(tmp_path, T0).metrics
    assert [metrics[name] for name in ("pending", "failed", "incomplete", "disabled")] == [1, 1, 4, 1]


def attempt(data_dir: Path, name: str, command: str = "run", **last: object) -> Path:
    """A log as an attempt leaves it; without an exit code it was cut off."""
    log = data_dir / "state" / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    first = {"at": "2026-03-01T12:00:00+00:00", "event": "arguments", "run_id": "r", "command": command}
    said = [first, {"at": "2026-03-01T12:00:09+00:00", "event": "page 3", **last}]
    log.write_text("".join(f"{json.dumps(entry)}\n" for entry in said) + '{"at": "cut')
    return log


def test_an_attempt_that_failed_before_it_loaded_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attempt(tmp_path, "1", exit_code=0)
    log = attempt(tmp_path, "2", exit_code=1, error="the control plane refuses the token.")
    attempt(tmp_path, "3", "prune", exit_code=1, error="a later one went well.")
    attempt(tmp_path, "4", "prune", exit_code=0)
    attempt(tmp_path, "5", "run --dry-run", exit_code=0)
    assert show_status(tmp_path, None, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)["last_attempt"]
    assert told == {
        "command": "run",
        "run_id": "r",
        "started_at": "2026-03-01T12:00:00+00:00",
        "ended_at": "2026-03-01T12:00:09+00:00",
        "outcome": "failed",
        "exit_code": 1,
        "error": "the control plane refuses the token.",
        "log": str(log),
    }
    show_status(tmp_path, None, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "last error  run failed at 2026-03-01T12:00:09+00:00: the control plane refuses the token." in lines
    assert f"log         {log}" in lines


def test_an_attempt_without_an_end_is_running_or_was_cut_off(tmp_path: Path) -> None:
    attempt(tmp_path, "1")
    found = read_status(tmp_path, T0).last_attempt
    assert found is not None
    assert (found.outcome, found.error) == ("cut off", "the last it said: page 3")
    with log_file(tmp_path / "state") as at_work, log_file(tmp_path / "state"):
        logging.getLogger("pipelines").info("arguments")
        running = read_status(tmp_path, T0).last_attempt
    assert running is not None
    # The later one is about to be refused.
    assert (running.outcome, running.error, running.log) == ("running", None, str(at_work))


def test_two_weeks_of_logs_are_not_read_for_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, last = [attempt(tmp_path, f"{number:02}", exit_code=0) for number in range(20)]
    asked: list[Path] = []

    def noted(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
        def called(log: Path) -> Any:
            asked.append(log)
            return function(log)

        return called

    for name in ("is_held", "entries"):
        monkeypatch.setattr(attempts, name, noted(getattr(attempts, name)))
    found = attempts.last_attempt(tmp_path / "state")
    assert found is not None
    assert (found.log, set(asked)) == (str(last), {last})


def test_a_good_attempt_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attempt(tmp_path, "1", exit_code=1, error="bad")
    attempt(tmp_path, "2", exit_code=0)
    show_status(tmp_path, None, as_json=False)
    assert "last error" not in capsys.readouterr().out


def test_generations_are_counted_and_what_only_they_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout(tmp_path)
    names = [f"20260301T12000{number}Z-00000{number}" for number in range(3)]
    for name in names:
        shared = publish(tmp_path, name, runs=[run(T0)]).with_name("shared.parquet")
        (layout.generations / name / "own.parquet").write_bytes(b"x" * 8192)
        if name == names[0]:
            shared.write_bytes(b"x" * 81920)
        else:
            shared.hardlink_to(layout.generations / names[0] / "shared.parquet")
    status = read_status(tmp_path, T0)
    own = sum(path.stat().st_blocks * 512 for name in names[:2] for path in (layout.generations / name).iterdir())
    assert status.generations == 3
    # Beside the folders themselves.
    assert 0 <= status.bytes["generations"] - (own - 2 * 81920) < 81920
    assert status.bytes["state"] >= status.bytes["generations"]
    show_status(tmp_path, None, as_json=False)
    assert "; generations: 3, those published before take " in capsys.readouterr().out


def test_of_the_first_generation_there_is_nothing_to_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path, "20260301T120000Z-000000", runs=[run(T0)])
    assert read_status(tmp_path, T0).generations == 1
    show_status(tmp_path, None, as_json=False)
    assert "generations" not in capsys.readouterr().out


def test_what_generations_share_is_counted_once(tmp_path: Path) -> None:
    database = publish(tmp_path, runs=[run(T0)])
    (tmp_path / "state" / "series").mkdir()
    (tmp_path / "state" / "series" / "twin").hardlink_to(database)
    (tmp_path / "warehouse.duckdb").write_bytes(b"x" * 8192)
    found = read_status(tmp_path, T0).bytes
    assert found["raw"] == 8192
    assert found["published"] >= database.stat().st_size
    assert found["state"] < database.stat().st_size
