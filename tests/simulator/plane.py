"""A control plane that answers within the test's own process."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator import Clock, Simulator, Switches, World, WorldConfig
from simulator.service.exchange import Call, Reply

START = datetime(2026, 1, 5, tzinfo=UTC)
PODS = "/api/v1/workloads/pods"
COUNT = "/api/v1/workloads/pods/count"


class Plane:
    """A small world, ten days old, and its simulator, already signed in."""

    def __init__(self, version: str = "2.21", after: timedelta = timedelta(days=10), **traits: Any) -> None:
        self.clock = Clock(START + after)
        self.world = World(WorldConfig(**{"seed": 5, "pods": 120, "start": START, **traits}), self.clock)
        self.simulator = Simulator(self.world, version=version)
        self.headers = {"authorization": f"Bearer {self.simulator.issue_token()}"}

    def switch(self, **switches: Any) -> None:
        """Replace the switches."""
        self.simulator.switches = Switches(**switches)

    def reply(self, path: str, **params: Any) -> Reply:
        """The answer to a GET with these parameters."""
        return self.simulator.answer(Call("GET", path, tuple(texts(params).items()), self.headers))

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of an answer that must be 200 or 207."""
        reply = self.reply(path, **params)
        assert reply.status in (200, 207), reply.body
        return json.loads(reply.body)

    def pods(self, **params: Any) -> list[dict[str, Any]]:
        """The first 500 pods of the list."""
        found: list[dict[str, Any]] = self.get(PODS, **{"limit": 500, "verbosity": "full", **params})["pods"]
        return found

    def ids(self, **params: Any) -> list[str]:
        """The ids of the first 500 pods of the list."""
        return [pod["id"] for pod in self.pods(**params)]

    def count(self, **params: Any) -> int:
        """A count."""
        number: int = self.get(COUNT, **params)["count"]
        return number


def texts(params: dict[str, Any]) -> dict[str, str]:
    """Parameters as they stand in a query string."""
    return {name: text(value) for name, value in params.items() if value is not None}


def text(value: Any) -> str:
    """One parameter's text: lists comma-joined, instants in UTC with a Z."""
    if isinstance(value, list | tuple):
        return ",".join(map(text, value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)
