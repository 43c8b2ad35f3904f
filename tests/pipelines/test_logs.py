"""One log per run, and no credential in it."""

from __future__ import annotations

import errno
import logging
import os
import time
from datetime import datetime
from pathlib import Path

import pytest
from dlt.common.logger import _create_logger

from pipelines import logs as log_files
from pipelines.logs import entries, harmless, log_file, logs, redact
from pipelines.state import is_held


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer c4nary-c4nary-c4nary-c4nary", "Authorization: Bearer ***"),
        ("token eyJhbGciOiJIUzI1NiJ9.c4nary.c4nary_-x ends", "token eyJ*** ends"),
        ('{"clientID":"x","clientSecret":"c4nary"}', '{"clientID":"x","clientSecret":"***"}'),
        ("client_id=x&client_secret=c4nary&a=b", "client_id=x&client_secret=***&a=b"),
        ("{'accessToken': 'c4nary'}", "{'accessToken': '***'}"),
        ("app_secret=c4nary", "app_secret=***"),
        ("a bearer token instead of these two", "a bearer token instead of these two"),
        ("SOURCES__RUNAI__CLIENT_SECRET, of a service account", "SOURCES__RUNAI__CLIENT_SECRET, of a service account"),
    ],
)
def test_what_looks_like_a_credential_is_blotted_out(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("name", "value", "text", "expected"),
    [
        ("AWS_SECRET_ACCESS_KEY", "c4nary/+=", "signed with c4nary/+= today", "signed with *** today"),
        ("AWS_SECRET_ACCESS_KEY", "c4nary/+=", "?key=c4nary/%2B%3D", "?key=***"),
        ("SOURCES__OTHER__PASSWORD", "c4nary\\n", r"{'a': 'c4nary\\n'}", "{'a': '***'}"),
        ("HTTPS_PROXY", "http://me:c4nary@proxy:1", "via http://me:c4nary@proxy:1/", "via http://***@proxy:1/"),
        ("PGPASSWORD", "short", "a short word", "a short word"),
        ("HOME", "/home/collector", "in /home/collector", "in /home/collector"),
    ],
)
def test_what_the_environment_calls_a_secret_is_blotted_out(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    assert redact(text) == expected


def test_no_character_steers_the_terminal() -> None:
    tricks = "\x00\x07\x1b\x7f\x85\x9b\u202e\u2066\ud800\r"
    assert harmless(f"a{tricks}b\tc\nü 名前") == "a" + "\ufffd" * len(tricks) + "b\tc\nü 名前"
    assert redact("\x1b[31m") == "\ufffd[31m"


def test_a_log_holds_our_words_and_tracebacks_without_secrets(tmp_path: Path) -> None:
    logger = logging.getLogger("pipelines.test")
    with log_file(tmp_path, run_id="7") as path:
        logger.info("read %d pods", 3, extra={"facts": {"pods": 3, "advice": "client_secret=c4nary"}})
        logger.debug("too much")
        try:
            int("client_secret=c4nary")
        except ValueError:
            logger.exception("failed")
    logger.warning("after the run")
    text = path.read_text()
    said, failed = entries(path)
    assert {**said, "at": ""} == {
        "at": "",
        "level": "INFO",
        "logger": "pipelines.test",
        "event": "read 3 pods",
        "run_id": "7",
        "pods": 3,
        "advice": "client_secret=***",
    }
    assert datetime.fromisoformat(said["at"]).tzinfo is not None
    assert failed["exception"].startswith("Traceback")
    assert "c4nary" not in text
    assert "too much" not in text
    assert "after the run" not in text


def test_debug_says_more_of_ours_and_nothing_of_others(tmp_path: Path) -> None:
    with log_file(tmp_path, debug=True) as path:
        logging.getLogger("sources.runai").debug("page 3")
        logging.getLogger("httpcore").debug("a header")
    assert "page 3" in path.read_text()
    assert "a header" not in path.read_text()


def test_dlt_speaks_to_the_log_and_not_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with log_file(tmp_path) as path:
        _create_logger("dlt", "WARNING", "{message}", "test", {})
        logging.getLogger("dlt").error("job failed: client_secret=c4nary")
    (said,) = entries(path)
    assert (said["level"], said["logger"], said["event"]) == ("ERROR", "dlt", "job failed: client_secret=***")
    assert capsys.readouterr().err == ""


def test_a_log_that_cannot_be_written_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def full(_: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with log_file(tmp_path):
        (handler,) = [handler for handler in logging.getLogger().handlers if type(handler).__name__ == "_LogFile"]
        assert isinstance(handler, logging.FileHandler)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(handler.stream, "write", full)
            logging.getLogger("pipelines").warning("nobody hears")
    assert capsys.readouterr().err == ""


def test_levels_and_handlers_are_put_back(tmp_path: Path) -> None:
    root, ours = logging.getLogger(), logging.getLogger("transforms")
    before = (root.level, ours.level, list(root.handlers))
    with pytest.raises(ZeroDivisionError), log_file(tmp_path, debug=True):
        raise ZeroDivisionError
    assert (root.level, ours.level, list(root.handlers)) == before


def written(state: Path, *codes: int | None, days_ago: float = 0) -> list[Path]:
    """Logs of attempts that ended with these exit codes so many days ago; without one, it was cut off."""
    paths = []
    for code in codes:
        with log_file(state) as path:
            logging.getLogger("pipelines").info("done", extra={"facts": {} if code is None else {"exit_code": code}})
        ended = time.time() - days_ago * 86400
        os.utime(path, (ended, ended))
        paths.append(path)
    return paths


def test_logs_are_kept_for_two_weeks(tmp_path: Path) -> None:
    written(tmp_path, 0, 0, days_ago=15)
    kept = [*written(tmp_path, 0, days_ago=13), *written(tmp_path, 0)]
    assert logs(tmp_path) == kept


@pytest.mark.parametrize("limit", [("_MOST", 3), ("_MOST_BYTES", 450)])
def test_runs_that_leave_many_logs_keep_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: tuple[str, int]
) -> None:
    monkeypatch.setattr(log_files, *limit)
    kept = written(tmp_path, *[0] * 6)[-3:]
    assert logs(tmp_path) == kept


@pytest.mark.parametrize("code", [1, None])
def test_the_log_of_the_last_failure_stays_until_another_fails(tmp_path: Path, code: int | None) -> None:
    _, failed, *_ = written(tmp_path, 1, code, 0, 0, days_ago=15)
    (good,) = written(tmp_path, 0)
    assert logs(tmp_path) == [failed, good]
    (worse,) = written(tmp_path, 1)
    assert logs(tmp_path) == [good, worse]


def test_a_log_that_is_written_outlives_any_number_that_began_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "_MOST", 20)
    with log_file(tmp_path) as long:
        for _ in range(21):
            with log_file(tmp_path):
                pass
        assert is_held(long)
    assert long.exists()
    assert [is_held(path) for path in logs(tmp_path)] == [False] * 21
    with log_file(tmp_path):
        pass
    assert not long.exists()
