"""The command line: which function is called with what, and which exit code comes of it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import cli, lock, run
from pipelines.cli import app, execute
from pipelines.lock import Lock
from pipelines.logs import entries, log_file, logs
from pipelines.settings import ROOT, Settings
from sources.runai.errors import SignInError

SCRIPT = ROOT / "pipelines" / "pods_pipeline.py"
_LOG = logging.getLogger("pipelines.test")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What `run` is called with; it then fails before it has written anything."""
    calls: list[Settings] = []

    @contextmanager
    def unwatched(settings: Settings, *_: str) -> Iterator[None]:
        calls.append(settings)
        raise SignInError("the control plane refuses the token.")
        yield

    monkeypatch.setattr(cli, "_watched", unwatched)
    return calls


@pytest.mark.parametrize("command", [["run"], []])
def test_run_is_the_default_command(asked: list[Settings], command: list[str], tmp_path: Path) -> None:
    options = [
        *("--demo", "--since", "2026-01-01", "--until", "2026-01-02T12:00", "--metrics", "CPU_USAGE_CORES"),
        *("--resolution", "300", "--dry-run", "--destination", "filesystem", "--data-dir", str(tmp_path)),
        *("--full-refresh", "--concurrency", "4", "--progress", "none"),
    ]
    assert execute([*command, *options]) == 1
    assert asked == [
        Settings(
            data_dir=tmp_path,
            destination="filesystem",
            since=datetime(2026, 1, 1, tzinfo=UTC),
            until=datetime(2026, 1, 2, 12, tzinfo=UTC),
            metrics=("CPU_USAGE_CORES",),
            resolution=300,
            dry_run=True,
            full_refresh=True,
            concurrency=4,
            progress="none",
            demo=True,
        )
    ]


def test_the_defaults_are_those_of_the_documentation(asked: list[Settings]) -> None:
    execute([])
    assert asked == [Settings(data_dir=ROOT / "data")]
    assert (asked[0].metrics, asked[0].resolution, asked[0].destination) == ("basic", 60, "duckdb")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("rnu", "unknown command 'rnu': choose one of run, check, status, rebuild, report, prune. See --help."),
        ("--bogus", "Unknown option: --bogus. See --help."),
        ("run --resolution x", "Invalid value for --resolution"),
        ("run --resolution 1.5", 'Invalid value for --resolution: unable to convert "1.5" into int.'),
        ("run --concurrency 2.7", "Invalid value for --concurrency"),
        ("--resolution 0", "--resolution 0 is too small"),
        ("--since 2026-13-01", "--since '2026-13-01' is not a date"),
        ("--since=", "--since '' is not a date"),
        ("--since 2026-01-02 --until 2026-01-01", "--since 2026-01-02T00:00:00Z must be earlier than --until"),
        ("--until 2999-01-01", "--until 2999-01-01 lies in the future"),
        ("--destination snowflake", "unknown destination 'snowflake': choose one of duckdb, filesystem"),
        ("rebuild --destination snowflake", "unknown destination 'snowflake'"),
        ("--metrics GPU_UTIL", "--metrics: unknown metric type 'GPU_UTIL'"),
        ("--concurrency 0", "--concurrency 0 is too small"),
        ("--progress loud", 'Invalid value "loud" for --progress. Choose from: "auto", "plain", "none"'),
        ("status --max-age soon", "--max-age 'soon' is not a length of time"),
        ("status --max-age=", "--max-age '' is not a length of time"),
        ("check", "No control plane is configured."),
        ("rebuild", "nothing was ever loaded into"),
        ("prune", "nothing was ever loaded into"),
        ("report", "nothing was ever published in"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = arguments.split()
    if command != ["check"]:
        command += ["--data-dir", str(tmp_path / "data")]
    assert execute(command) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: {said}")
    assert "Traceback" not in shown.err
    assert not (tmp_path / "data").exists()


def test_an_empty_data_directory_is_not_the_working_directory(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for empty in (["--data-dir", ""], ["--data-dir="]):
        assert execute(["rebuild", *empty]) == 2
        assert capsys.readouterr().err.startswith("error: --data-dir is empty: give a directory")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "No control plane is configured."),
        ({"BASE_URL": "http://acme.run.ai", "TOKEN": "c4nary"}, "clear text; use https"),
        ({"BASE_URL": "acme", "TOKEN": "c4nary"}, "'acme' is not"),
        ({"BASE_URL": "https://acme.run.ai"}, "No credentials"),
        ({"BASE_URL": "https://acme.run.ai", "CLIENT_ID": "x"}, "client_secret is missing"),
        ({"BASE_URL": "https://acme.run.ai", "TOKEN": "c4nary c4nary"}, "holds spaces"),
        ({"BASE_URL": "https://me:c4nary@acme.run.ai", "TOKEN": "c4nary"}, "carries a user name or password"),
        (
            {"BASE_URL": "https://acme.run.ai", "TOKEN": "c4nary", "CA_BUNDLE": "/c4nary/ca.pem"},
            "SOURCES__RUNAI__CA_BUNDLE names cannot be used",
        ),
        ({"BASE_URL": "https://acme.run.ai", "TOKEN": "c4nary", "CONCURRENCY": "many"}, "settings cannot be read"),
    ],
)
def test_wrong_configuration_is_exit_code_2_and_status_tells_it(
    variables: dict[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"SOURCES__RUNAI__{name}", value)
    for command in (["check"], ["run", "--debug", "--data-dir", str(tmp_path)]):
        assert execute(command) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "c4nary" not in error
    assert execute(["status", "--data-dir", str(tmp_path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "last error run failed at" in told
    assert said in told
    (log,) = logs(tmp_path / "state")
    assert [entry.get("exit_code") for entry in entries(log)] == [None, 2]
    assert "c4nary" not in log.read_text()


def test_a_failure_is_one_line_and_with_debug_a_traceback(
    asked: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([]) == 1
    assert capsys.readouterr().err == "error: the control plane refuses the token.\n"
    assert execute(["--debug"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "error: the control plane refuses the token."
    assert len(asked) == 2


def test_no_secret_in_what_fails_unexpectedly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError('{"clientSecret": "c4nary", "Authorization": "Bearer c4naryc4naryc4nary"}')

    monkeypatch.setattr(run, "rebuild", fail)
    (tmp_path / "warehouse.duckdb").touch()
    assert execute(["rebuild", "--debug", "--data-dir", str(tmp_path)]) == 1
    assert "c4nary" not in capsys.readouterr().err
    (log,) = (tmp_path / "state" / "logs").iterdir()
    assert "c4nary" not in log.read_text()


def test_interruption_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "rebuild", interrupt)
    (tmp_path / "warehouse.duckdb").touch()
    assert execute(["rebuild", "--data-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: interrupted; what was committed is kept")


def test_a_file_in_the_way_of_the_data_dir_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    assert execute(["--demo", "--data-dir", str(tmp_path / "data")]) == 2
    assert f"cannot write to {tmp_path / 'data'}: Not a directory; give another --data-dir" in capsys.readouterr().err


def test_a_held_lock_is_exit_code_4(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with Lock(tmp_path / "state"):
        assert execute(["--demo", "--progress", "none", "--data-dir", str(tmp_path)]) == 4
    assert f"error: another run holds the lock: pid {os.getpid()} on " in capsys.readouterr().err


def test_calls_that_are_refused_neither_hide_nor_remove_the_log_of_the_run_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0)
    (tmp_path / "warehouse.duckdb").touch()
    state = tmp_path / "state"
    for _ in range(19):
        with log_file(state):
            pass
    with log_file(state) as at_work, Lock(state):
        _LOG.info("arguments")
        before = logs(state)
        for _ in range(21):
            assert execute(["rebuild", "--progress", "none", "--data-dir", str(tmp_path)]) == 4
        assert logs(state) == before
        capsys.readouterr()
        assert execute(["status", "--json", "--data-dir", str(tmp_path)]) == 0
    attempt = json.loads(capsys.readouterr().out)["last_attempt"]
    assert (attempt["outcome"], attempt["log"]) == ("running", str(at_work))


def script(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"DLT_PROJECT_DIR", "PYTHONPATH"}}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_script_answers_from_any_directory(tmp_path: Path) -> None:
    began = time.monotonic()
    shown = script("--help", cwd=tmp_path)
    seconds = time.monotonic() - began
    assert shown.returncode == 0, shown.stderr
    for word in ("check", "rebuild", "report", "run", "status", "--demo", "--since", "Exit codes:"):
        assert word in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    # Far from what importing dlt, pyarrow and duckdb would take.
    assert seconds < 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "check", "status", "rebuild", "report"])
def test_every_option_has_help_and_an_example(command: str) -> None:
    arguments = app[command].assemble_argument_collection()
    assert arguments
    for argument in arguments:
        assert "Example: " in (argument.parameter.help or ""), argument.name


def test_nothing_heavy_is_imported_for_help(tmp_path: Path) -> None:
    code = (
        "import sys; from pipelines.pods_pipeline import main; main(['--help']);"
        "print([name for name in ('dlt', 'duckdb', 'pyarrow', 'httpx', 'pandas', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert script("--version", cwd=tmp_path).stdout.strip().count(".") >= 2
