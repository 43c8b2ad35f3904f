"""The simulator: a world, the switches, and a server in front of them."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from simulator.contract import Contract
from simulator.instants import DAY, moment
from simulator.problems import Problem, error_body
from simulator.service.answers import Answers
from simulator.service.exchange import Call, Reply, Seen
from simulator.service.faults import FaultPlan, Wire, strike
from simulator.service.http import Server
from simulator.service.tokens import TokenDesk
from simulator.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.service.http import Receive, Scope, Send
    from simulator.world import World


class Simulator:
    """A control plane over a world. It is an ASGI application; `serve()` puts it on a loopback port."""

    def __init__(
        self,
        world: World,
        *,
        switches: Switches | None = None,
        version: str = "2.21",
        client_id: str = "demo",
        client_secret: str = "demo-secret",
    ) -> None:
        self.world = world
        self.contract = Contract(version)
        self.requests: list[Seen] = []
        # The most requests that were ever under way at once.
        self.peak_in_flight = 0
        self._in_flight = 0
        # Called with the number of the request, from 0 on, and the request, before it is answered.
        self.on_request: Callable[[int, Seen], None] | None = None
        self._count = 0
        self._failures: list[Exception] = []
        self._tokens = TokenDesk(self.contract, world.clock, client_id, client_secret)
        self.switches = switches or Switches()

    @property
    def switches(self) -> Switches:
        """The switches; put others in at any time. Counters of faults begin anew then."""
        return self._switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._switches = switches
        self.world.purge_after = int(switches.purge_days * DAY)
        self._faults = FaultPlan(switches.faults, self.world.config.seed)
        self._answers = Answers(self.world, self.contract, switches)

    def upgrade(self, version: str) -> None:
        """Serve another version's contract from now on, of the same world at the same address; tokens stay valid."""
        self.contract = Contract(version)
        self._tokens.contract = self.contract
        # To put them in again makes the answers anew, by this contract.
        self.switches = self._switches

    def clear_requests(self) -> None:
        """Forget the recorded requests; their numbering goes on."""
        self.requests.clear()

    def issue_token(self, lifetime: float | None = None) -> str:
        """A valid bearer token, without a request."""
        return self._tokens.issue(self._switches, lifetime)

    def expire_tokens(self) -> None:
        """Let every token that was issued be invalid from now on."""
        self._tokens.expire_all()

    def answer(self, call: Call) -> Reply:
        """The answer to a request, faults and latency aside."""
        seen, number = self._record(call)
        reply = self._reply(call, number)
        seen.status, seen.given, seen.named = reply.status, reply.given, reply.named
        return reply

    @contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
        """Serve on a loopback address, any free port by default; gives the base URL.

        What fails in the simulator itself, or in `on_request`, is answered 500 and raised as a RuntimeError at the end.
        """
        if host != "localhost" and not ip_address(host).is_loopback:
            raise ValueError(f"{host} is not a loopback address")
        # A client should wait for its answer, not for the world to be made.
        self.world.snapshot(self.world.clock.micros())
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Handed down to each connection: without it small answers wait 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = Server(self)
        thread = threading.Thread(target=server.run, args=([listener],), name="simulator", daemon=True)
        thread.start()
        try:
            server.wait_until_started(thread)
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            listener.close()
        if self._failures:
            raise RuntimeError("the simulator failed at a request") from self._failures.pop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request of an ASGI server."""
        call = await _read(scope, receive)
        wire = Wire(receive, send, scope.get("simulator.abort", lambda: None))
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        try:
            await self._exchange(call, wire)
        except OSError:
            # The client left in the middle of an answer, as it may.
            return
        except Exception as failure:  # noqa: BLE001  # kept, and raised where the simulator is used
            self._failures.append(failure)
            await wire.whole(500, error_body(500), "application/json", {})
        finally:
            self._in_flight -= 1

    async def _exchange(self, call: Call, wire: Wire) -> None:
        wire.seen, number = self._record(call)
        most = self._switches.most_in_flight
        if most is not None and self._in_flight > most:
            await wire.whole(429, error_body(429), "application/json", {})
            return
        await asyncio.sleep(self._delay(number))

        async def normal() -> Reply:
            return self._reply(call, number)

        fault = self._faults.next(call.path, number)
        if fault is not None:
            wire.seen.fault = fault.kind
            await strike(fault, wire, normal)
            return
        reply = await normal()
        wire.seen.given, wire.seen.named = reply.given, reply.named
        await wire.whole(reply.status, reply.body, reply.content_type, reply.headers)

    def _record(self, call: Call) -> tuple[Seen, int]:
        number, self._count = self._count, self._count + 1
        now = moment(self.world.clock.micros())
        seen = Seen(call.method, call.path, dict(call.params), datetime.now(UTC), now, call.headers)
        if self.on_request is not None:
            self.on_request(number, seen)
        self.requests.append(seen)
        return seen, number

    def _reply(self, call: Call, number: int) -> Reply:
        try:
            operation = self.contract.operation(call.method, call.path)
            if not operation.is_secured:
                return self._tokens.grant(call, self._switches)
            self._tokens.check(call.headers, self._switches)
            ask = operation.ask(call.path, call.params)
            with self.world.lock:
                return self._answers.reply(ask, number)
        except Problem as problem:
            return Reply(problem.status, problem.body())

    def _delay(self, number: int) -> float:
        chance = Random(f"{self.world.config.seed}/{number}/latency").random()
        return self._switches.latency + self._switches.jitter * chance


async def _read(scope: Scope, receive: Receive) -> Call:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return Call(
        method=scope["method"],
        path=scope["path"],
        params=tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )
