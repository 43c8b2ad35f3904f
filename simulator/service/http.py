"""uvicorn, made quiet, stoppable from another thread, and able to break a connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Breakable(H11Protocol):
    """h11 as uvicorn speaks it; applications find in their scope how to abort the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app: Any = self.app

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "simulator.abort": transport.abort}, receive, send)

        self.app = with_abort


class Server(uvicorn.Server):
    """Serves an application on sockets that are already bound."""

    def __init__(self, app: Application) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Breakable,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                # Clients keep their connections while they compute.
                timeout_keep_alive=75,
                # Requests that hang on purpose must not hold up the end.
                timeout_graceful_shutdown=1,
            )
        )

    def wait_until_started(self, thread: threading.Thread) -> None:
        """Return when connections are accepted; a RuntimeError if the thread ends before."""
        while not self.started:
            if not thread.is_alive():
                raise RuntimeError("the simulator's server did not start")
            time.sleep(0.005)
