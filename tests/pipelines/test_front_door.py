"""The whole way through the front door, against the simulated control plane over HTTP."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.cli import execute
from pipelines.logs import logs
from pipelines.settings import ROOT
from simulator import Clock, Fault, Simulator, Switches, World, WorldConfig
from tests.pipelines.test_screen import unheard

SCRIPT = ROOT / "pipelines" / "pods_pipeline.py"
SECRET = "c4nary-secret"


def demo(data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--demo", "--data-dir", str(data_dir), *options],
        cwd=data_dir.parent,
        env={name: value for name, value in os.environ.items() if name != "DLT_PROJECT_DIR"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def shown_twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A data directory after two demos, and their screens."""
    data_dir = tmp_path_factory.mktemp("demo") / "data"
    runs = [demo(data_dir), demo(data_dir, "--progress", "none")]
    for done in runs:
        assert done.returncode == 0, done.stderr
    assert "pods: " in runs[0].stderr
    assert runs[1].stderr == ""
    return data_dir, runs[0].stdout, runs[1].stdout


def pods_line(screen: str) -> str:
    (line,) = [line for line in screen.splitlines() if line.startswith("pods ") and "read" in line]
    return line


def test_the_first_demo_loads_everything_and_says_so(shown_twice: tuple[Path, str, str]) -> None:
    data_dir, screen, _ = shown_twice
    assert "first run, as of" in screen
    assert re.search(r"pods +1,\d{3} read: 1,\d{3} new; ", pods_line(screen))
    assert "agree with the API's: 1," in screen
    assert "--since DATE asks for more" in screen
    assert len(screen.splitlines()) <= 35
    assert (data_dir / "published" / "parquet" / "pods").is_dir()
    assert "GPU report" in (data_dir / "published" / "report.html").read_text(encoding="utf-8")


def test_the_second_demo_shows_what_moved_on(shown_twice: tuple[Path, str, str]) -> None:
    _, first, second = shown_twice
    assert "incremental run, as of" in second
    counts = [
        int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:read|new|changed)", pods_line(second))
    ]
    assert len(counts) == 3
    assert 0 < counts[1] < counts[0] < 400
    assert re.search(r"^pods +1,\d{3} +\+\d+", second, re.MULTILINE)
    assert "agree with the API's" in second
    as_of = [datetime.fromisoformat(re.findall(r"as of (\S+ \S+) UTC", screen)[0]) for screen in (first, second)]
    assert as_of[1] - as_of[0] == timedelta(hours=6)


def test_what_the_screen_says_to_open_opens(shown_twice: tuple[Path, str, str]) -> None:
    data_dir, screen, _ = shown_twice
    (line,) = [line for line in screen.splitlines() if line.startswith("Python")]
    command = line.removeprefix("Python").strip()
    done = subprocess.run(command, shell=True, cwd=data_dir.parent, capture_output=True, text=True, check=False)  # noqa: S602 - what a reader would paste
    assert done.returncode == 0, done.stderr
    assert "pod_id" in done.stdout


def test_status_knows_the_demo(shown_twice: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    data_dir, _, _ = shown_twice
    assert execute(["status", "--json", "--max-age", "1h", "--data-dir", str(data_dir)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["pods"]["known"] > 1000
    assert status["counts_agree"] is True
    assert (status["gaps"], status["pending_loads"], status["running"]) == ([], 0, None)


def test_a_dry_run_changes_no_file(shown_twice: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    data_dir, _, _ = shown_twice
    before = (data_dir / "published").resolve(), (data_dir / "state" / "demo.json").read_text()
    assert execute(["--demo", "--dry-run", "--progress", "none", "--data-dir", str(data_dir)]) == 0
    assert "the open set" in capsys.readouterr().out
    assert ((data_dir / "published").resolve(), (data_dir / "state" / "demo.json").read_text()) == before


def test_a_rebuild_publishes_the_same_pods(
    shown_twice: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, _, _ = shown_twice
    query = "select count(*), sum(hash(pods)) from pods"
    path = str((data_dir / "published").resolve() / "runai.duckdb")
    with duckdb.connect(path, read_only=True) as con:
        before = con.execute(query).fetchall()
    assert execute(["rebuild", "--progress", "none", "--data-dir", str(data_dir)]) == 0
    assert "rebuilt from raw" in capsys.readouterr().out
    with duckdb.connect(str((data_dir / "published").resolve() / "runai.duckdb"), read_only=True) as con:
        assert con.execute(query).fetchall() == before


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A small control plane, configured as a tenant is."""
    start = datetime.now(UTC) - timedelta(days=5)
    world = World(WorldConfig(seed=3, pods=60, start=start, days=6), Clock(at=datetime.now(UTC)))
    simulator = Simulator(world, client_id="reader", client_secret=SECRET)
    with simulator.serve() as url:
        monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", url)
        monkeypatch.setenv("SOURCES__RUNAI__CLIENT_ID", "reader")
        monkeypatch.setenv("SOURCES__RUNAI__CLIENT_SECRET", SECRET)
        monkeypatch.setenv("SOURCES__RUNAI__MAX_ATTEMPTS", "2")
        yield simulator


def failed(capsys: pytest.CaptureFixture[str], data_dir: Path, *options: str) -> tuple[int, str]:
    """Run and return the exit code and the last line of stderr; no traceback, no secret in anything that is left."""
    code = execute([*options, "--metrics", "none", "--progress", "none", "--data-dir", str(data_dir)])
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for text in (error, *(path.read_text() for path in data_dir.rglob("*.log"))):
        assert SECRET not in text
    return code, error.splitlines()[-1] if error else ""


def test_a_tenant_is_copied_and_checked(plane: Simulator, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert execute(["check"]) == 0
    assert "client reader" in capsys.readouterr().out
    for kind in ("first run", "incremental run"):
        assert execute(["--progress", "none", "--metrics", "none", "--data-dir", str(tmp_path)]) == 0
        screen = capsys.readouterr().out
        assert kind in screen
        assert "samples" not in screen
        assert "! " not in screen
    assert plane.requests


@pytest.mark.parametrize(("stream", "how"), [("stdout", "full"), ("stderr", "left")])
def test_a_run_that_nobody_hears_has_published(
    plane: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: str, how: str
) -> None:
    with unheard(how) as descriptor, monkeypatch.context() as patch:
        patch.setattr(sys, stream, open(descriptor, "w", closefd=False))  # noqa: SIM115
        assert execute(["--progress", "plain", "--metrics", "none", "--data-dir", str(tmp_path / "data")]) == 0
    assert (tmp_path / "data" / "published" / "runai.duckdb").exists()
    assert plane.requests


def test_a_wrong_secret_says_so(
    plane: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__CLIENT_SECRET", "c4nary-other")
    code, said = failed(capsys, tmp_path)
    assert code == 1
    assert "CLIENT_SECRET" in said
    assert "c4nary" not in said
    assert plane.requests


def test_a_missing_permission_says_which_role(
    plane: Simulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plane.switches = replace(Switches(), faults=(Fault(path="/pods", kind="status", status=403),))
    code, said = failed(capsys, tmp_path)
    assert code == 1
    assert said.startswith("error: 403 on GET")
    assert "role" in said


def test_a_control_plane_in_trouble_fails_and_the_next_run_goes_on(
    plane: Simulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plane.switches = replace(Switches(), faults=(Fault(path="/pods", kind="html", status=502),))
    code, said = failed(capsys, tmp_path)
    assert code == 1
    assert "502" in said
    assert "run again later" in said
    plane.switches = Switches()
    assert failed(capsys, tmp_path) == (0, "")


def test_the_demo_keeps_away_from_a_tenants_data(
    plane: Simulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert failed(capsys, tmp_path) == (0, "")
    code, said = failed(capsys, tmp_path, "--demo")
    assert code == 2
    assert "holds pods of 127.0.0.1, not pods of the demo" in said
    # Of the tenant's run: what is refused tells nothing in another's directory.
    assert len(logs(tmp_path / "state")) == 1
    assert plane.requests


def test_a_wrong_address_binds_nothing_for_good(
    plane: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    right = os.environ["SOURCES__RUNAI__BASE_URL"]
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", f"http://localhost:{port}")
    monkeypatch.setenv("SOURCES__RUNAI__MAX_ATTEMPTS", "1")
    assert failed(capsys, tmp_path)[0] == 1
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", right)
    assert failed(capsys, tmp_path) == (0, "")
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", f"http://localhost:{port}")
    code, said = failed(capsys, tmp_path)
    assert (code, "holds pods of 127.0.0.1, not pods of localhost" in said) == (2, True)
    assert plane.requests


def test_a_warehouse_that_is_none_is_named(
    plane: Simulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "warehouse.duckdb").write_text("a spreadsheet " * 2000)
    code, said = failed(capsys, tmp_path)
    assert code == 1
    assert said.startswith(f"error: {tmp_path / 'warehouse.duckdb'} is not a DuckDB database: move it away")
    assert plane.switches == Switches()
