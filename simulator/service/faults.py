"""Faults: which request is hit, and what goes over the wire then."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Final

from simulator.problems import error_body
from simulator.service.exchange import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.service.exchange import Seen
    from simulator.service.http import Receive, Send
    from simulator.switches import Fault

_PAGE: Final = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"
_CHUNK: Final = b" " * 65_536


class FaultPlan:
    """Decides which requests are disturbed; the same seed and requests give the same disturbances."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = faults
        self._seed = seed
        self._matched = [0] * len(faults)
        self._struck = [0] * len(faults)

    def next(self, path: str, number: int) -> Fault | None:
        """The fault that hits the request of that number, if one does."""
        for place, fault in enumerate(self._faults):
            if not re.search(fault.path, path):
                continue
            self._matched[place] += 1
            is_due = self._matched[place] > fault.after
            is_left = fault.times is None or self._struck[place] < fault.times
            chance = Random(f"{self._seed}/{place}/{number}").random()
            if is_due and is_left and chance < fault.probability:
                self._struck[place] += 1
                return fault
        return None


class Wire:
    """One connection's ends, as a fault needs them."""

    def __init__(self, receive: Receive, send: Send, abort: Callable[[], None]) -> None:
        self._receive, self._send, self._abort = receive, send, abort
        # Where the status that goes out is noted, before the client can know it.
        self.seen: Seen | None = None

    async def whole(self, status: int, body: bytes, content_type: str, headers: dict[str, str]) -> None:
        """A whole response."""
        await self._start(status, content_type, headers | {"content-length": str(len(body))})
        await self._send({"type": "http.response.body", "body": body})

    async def cut(self, reply: Reply, silence: float = 0.01) -> None:
        """Half of a body, silence for so many seconds, and the end of the connection."""
        await self._start(reply.status, reply.content_type, {"content-length": str(len(reply.body))})
        await self._send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
        # However short the silence, the half must leave before the connection does.
        await self.silence(silence)
        await self.reset()

    async def reset(self) -> None:
        """The end of the connection, without a word."""
        self._abort()
        await self.until_left()

    async def silence(self, seconds: float) -> None:
        """Nothing for so long, or until the client is gone."""
        await asyncio.wait([asyncio.ensure_future(self.until_left())], timeout=seconds)

    async def until_left(self) -> None:
        """Wait until the client is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def huge(self, status: int, size: int) -> None:
        """A JSON text with very much space before its end."""
        await self._start(status, "application/json", {"content-length": str(size)})
        for _ in range((size - 1) // len(_CHUNK)):
            await self._send({"type": "http.response.body", "body": _CHUNK, "more_body": True})
            # That the client has left is learned between two turns of the loop.
            await asyncio.sleep(0)
        rest = b" " * ((size - 1) % len(_CHUNK)) + b"1"
        await self._send({"type": "http.response.body", "body": rest})

    async def _start(self, status: int, content_type: str, headers: dict[str, str]) -> None:
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        pairs.append((b"content-type", content_type.encode()))
        if self.seen is not None:
            self.seen.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})


async def strike(fault: Fault, wire: Wire, normal: Callable[[], Awaitable[Reply]]) -> None:
    """Let a fault happen; `normal` gives the answer that there would have been, for the faults that spoil one."""
    if fault.kind in _INSTEAD:
        await _INSTEAD[fault.kind](fault, wire)
    elif fault.kind == "cut":
        await wire.cut(await normal())
    elif fault.kind == "stall":
        await wire.cut(await normal(), fault.seconds)
    else:
        reply = _ALTERED[fault.kind](fault, await normal())
        await wire.whole(reply.status, reply.body, reply.content_type, reply.headers | fault.headers)


async def _html(fault: Fault, wire: Wire) -> None:
    page = fault.body or _PAGE.format(f"{fault.status} {HTTPStatus(fault.status).phrase}")
    await wire.whole(fault.status, page.encode(), "text/html", fault.headers)


async def _status(fault: Fault, wire: Wire) -> None:
    body = error_body(fault.status) if fault.body is None else fault.body.encode()
    await wire.whole(fault.status, body, "application/json", fault.headers)


async def _redirect(fault: Fault, wire: Wire) -> None:
    await wire.whole(307, b"", "text/plain", {"location": fault.location} | fault.headers)


async def _timeout(fault: Fault, wire: Wire) -> None:
    await wire.silence(fault.seconds)
    await wire.reset()


async def _bomb(fault: Fault, wire: Wire) -> None:
    await wire.whole(200, _packed(fault.size), "application/json", {"content-encoding": "gzip"})


_INSTEAD: Final[dict[str, Callable[[Fault, Wire], Awaitable[None]]]] = {
    "html": _html,
    "status": _status,
    "redirect": _redirect,
    "timeout": _timeout,
    "bomb": _bomb,
    "huge": lambda fault, wire: wire.huge(200, fault.size),
    "reset": lambda _fault, wire: wire.reset(),
}


def _truncated(_fault: Fault, reply: Reply) -> Reply:
    return replace(reply, body=reply.body[: max(len(reply.body) // 2, 1)])


def _gzip(_fault: Fault, reply: Reply) -> Reply:
    return replace(reply, body=gzip.compress(reply.body), headers={"content-encoding": "gzip"})


def _garbled(_fault: Fault, reply: Reply) -> Reply:
    return replace(reply, body=reply.body.replace(b'"', b'"\xff', 1))


def _relabelled(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, status=fault.status, content_type=fault.content_type) if reply.status == 200 else reply


_ALTERED: Final[dict[str, Callable[[Fault, Reply], Reply]]] = {
    "truncated": _truncated,
    "gzip": _gzip,
    "garbled": _garbled,
    "relabelled": _relabelled,
}


@cache
def _packed(size: int) -> bytes:
    """A JSON text of very much space, compressed."""
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(_CHUNK) for _ in range(size // len(_CHUNK))]
    return b"".join([*parts, packer.compress(b"1"), packer.flush()])
