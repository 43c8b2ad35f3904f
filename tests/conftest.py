"""Every test runs in a world of its own: no network but loopback, nothing of the caller's environment or home."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import Phase, settings

# Credentials, addresses, proxies and the terminal's looks: what a developer's shell may hold.
FOREIGN = {"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
FOREIGN |= {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}  # noqa: S104

# The same examples on every machine: a failure in CI is a failure here.
settings.register_profile("project", derandomize=True, deadline=None, database=None, max_examples=50)
# Where a test is known to fail, nobody waits for its smallest example.
settings.register_profile("planted", settings.get_profile("project"), phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))


def pytest_configure(config: pytest.Config) -> None:
    """Before anything imports dlt, which reads its folders once."""
    home = tempfile.TemporaryDirectory(prefix="runai-pods-tests-")
    config.add_cleanup(home.cleanup)
    for name in list(os.environ):
        # dlt takes its configuration from every variable with two underscores in it.
        if "__" in name.strip("_") or name.startswith("DLT_") or name.upper() in FOREIGN:
            del os.environ[name]
    os.environ.update(
        DLT_PROJECT_DIR=home.name,
        DLT_DATA_DIR=home.name,
        RUNTIME__DLTHUB_TELEMETRY="false",
        # Neither UTC nor the zone of any of us: who forgets the zone is told.
        TZ="Asia/Kolkata",
    )
    time.tzset()


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Whatever a test does to the environment ends with it."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts cost more than the tables of a small world: where no test looks at them, each is an empty picture."""
    if "report" not in request.path.parts:
        empty = '<svg version="1.1" width="1" height="1"/>'
        monkeypatch.setattr("transforms.report.charts._drawn", lambda specifications: [empty for _ in specifications])


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Another host looks as if it did not exist."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def look_up_loopback(host: Any, *args: Any, **kwargs: Any) -> Any:
        if (host.decode() if isinstance(host, bytes) else host) not in LOOPBACK:
            raise socket.gaierror(socket.EAI_NONAME, f"tests reach loopback only, not {host}")
        return look_up(host, *args, **kwargs)

    def connect_loopback(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise ConnectionRefusedError(f"tests reach loopback only, not {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up_loopback)
        patch.setattr(socket.socket, "connect", connect_loopback)
        yield
