"""`python -m simulator`: starts, says where, signs in, and ends at SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.simulator.plane import COUNT, PODS

ROOT = Path(__file__).parents[2]
FIXED = ["--at", "2026-01-15T00:00:00", "--start", "2026-01-05", "--pods", "60", "--seed", "3"]


@contextmanager
def started(*options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "simulator", *options]
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def read_config(process: subprocess.Popen[str]) -> tuple[str, dict[str, str]]:
    assert process.stdout
    url = process.stdout.readline().strip()
    lines = [process.stdout.readline() for _ in range(5)]
    config: dict[str, str] = tomllib.loads("".join(lines))["sources"]["runai"]
    return url, config


def bearer(url: str, config: dict[str, str]) -> dict[str, str]:
    body = {
        "grantType": "client_credentials",
        "clientID": config["client_id"],
        "clientSecret": config["client_secret"],
    }
    return {"Authorization": f"Bearer {httpx.post(url + '/api/v1/token', json=body).json()['accessToken']}"}


def test_it_serves_what_its_options_say() -> None:
    options = ["--version", "2.24", "--print-config", "--client-secret", "hush", "--switch", "next_at_end=null"]
    with started(*FIXED, *options) as process:
        url, config = read_config(process)
        assert config == {"base_url": url, "client_id": "demo", "client_secret": "hush", "api_version": "2.24"}
        headers = bearer(url, config)
        page = httpx.get(url + PODS, params={"limit": 500}, headers=headers).json()
        assert page["next"] is None
        assert all("nodeAffinity" in pod for pod in page["pods"])
        assert httpx.get(url + COUNT, headers=headers).json()["count"] == len(page["pods"]) > 10
    assert process.returncode == 0


def test_the_same_options_give_the_same_world() -> None:
    bodies = []
    for _ in range(2):
        with started(*FIXED, "--print-config") as process:
            url, config = read_config(process)
            bodies.append(httpx.get(url + PODS, params={"limit": 500}, headers=bearer(url, config)).content)
    assert bodies[0] == bodies[1]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--switch", "bogus=1"], "bogus"),
        (["--switch", "ties"], "NAME=VALUE"),
        (["--switch", "ties=never"], "ties"),
        (["--version", "9.9"], "9.9"),
        (["--world", "bogus=1"], "bogus"),
        (["--host", "0.0.0.0"], "0.0.0.0"),  # noqa: S104  # what is to be refused
    ],
)
def test_bad_options(options: list[str], said: str) -> None:
    ended = run(*options)
    assert ended.returncode not in (0, -signal.SIGTERM)
    assert said in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_help_names_every_option() -> None:
    shown = run("--help").stdout
    for option in (
        "host",
        "port",
        "version",
        "seed",
        "pods",
        "days",
        "at",
        "start",
        "clock",
        "speed",
        "switch",
        "world",
    ):
        assert f"--{option}" in shown
