"""Ways to a tenant other than plain HTTP: over TLS, and none at all."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest import mock

import trustme
import uvicorn

from tests.trust.tenant import Tenant

TLS: Final = ("unknown issuer", "expired", "another name", "private CA", "no TLS")
UNREACHABLE: Final = ("refused connection", "unanswered connection")
_CONNECT_SECONDS: Final = 1.0


@contextmanager
def way(here: Tenant, fault: str, folder: Path) -> Iterator[None]:
    """The tenant behind one of `TLS`, or an address at which nobody answers."""
    with over_tls(here, fault, folder) if fault in TLS else _unreachable(fault):
        yield


@contextmanager
def over_tls(here: Tenant, fault: str, folder: Path) -> Iterator[None]:
    """The tenant behind TLS, with a certificate that is good for nothing, or of a private CA that is made known."""
    ca, now = trustme.CA(), datetime.now(UTC)
    bundle, own = folder / "ca.pem", folder / "own.pem"
    ca.cert_pem.write_to_path(str(bundle))
    name = "elsewhere.example" if fault == "another name" else "127.0.0.1"
    until = now - timedelta(days=1) if fault == "expired" else now + timedelta(days=1)
    leaf = ca.issue_cert(name, not_before=now - timedelta(days=9), not_after=until)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(own))
    port = int(here.url.rpartition(":")[2])
    with mock.patch.dict(os.environ), _served(here, own) as port_of_tls:
        if fault != "unknown issuer":
            os.environ["SOURCES__RUNAI__CA_BUNDLE"] = str(bundle)
        chosen = port if fault == "no TLS" else port_of_tls
        os.environ["SOURCES__RUNAI__BASE_URL"] = f"https://127.0.0.1:{chosen}"
        yield


@contextmanager
def _served(here: Tenant, certificate: Path) -> Iterator[int]:
    """The same simulator on another port, over TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(here.simulator, ssl_certfile=certificate, log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _unreachable(fault: str) -> Iterator[None]:
    """A port at which connections are refused, or of which the queue is full, so that none is answered."""
    with ExitStack() as stack:
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        if fault == "unanswered connection":
            taken.listen(0)
            for _ in range(2):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(taken.getsockname())
        stack.enter_context(mock.patch("sources.runai.wire.CONNECT_SECONDS", _CONNECT_SECONDS))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        stack.enter_context(mock.patch.dict(os.environ, {"SOURCES__RUNAI__BASE_URL": url}))
        yield
