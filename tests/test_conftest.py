"""The walls around a test hold."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent


def test_another_host_does_not_exist() -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get("https://tenant.example")
    with pytest.raises(ConnectionRefusedError), socket.socket() as direct:
        direct.connect(("192.0.2.1", 443))


def test_nothing_of_the_callers_environment_is_seen(tmp_path: Path) -> None:
    probe = tmp_path / "test_probe.py"
    probe.write_text(
        "import os\n"
        "from tests.conftest import *\n"
        "def test_probe():\n"
        "    assert not [n for n in os.environ if n.startswith('SOURCES__') or n.upper().endswith('_PROXY')]\n"
        "    assert 'elsewhere' not in os.environ['DLT_PROJECT_DIR']\n"
    )
    foreign = {"SOURCES__RUNAI__TOKEN": "theirs", "https_proxy": "http://proxy", "DLT_PROJECT_DIR": "/elsewhere"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(probe)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **foreign}, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("_turn", [1, 2])
def test_a_test_leaves_no_variable_behind(_turn: int) -> None:
    assert "LEFT_BEHIND" not in os.environ
    os.environ["LEFT_BEHIND"] = "yes"
