"""The control plane of a scene, in a process of its own: `python -m bench.server SCENE PODS`.

Prints its address, then reads lines: `now` is answered with the world's time, `change` lets the world move on and any
other line is answered with the number of requests since the one before. It ends with its input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bench.contestants import CLIENT
from simulator import Clock, Simulator, Switches, World, WorldConfig
from simulator.service.exchange import Call, Reply

OPEN: Final = 2_000
# 1 % of the larger history; the same in both, so that only the history differs.
CHANGES: Final = {"completed": 400, "deleted": 200, "created": 300, "edited": 100}
GANG: Final = 20
NEVER_BY_ITSELF: Final = datetime(2100, 1, 1, tzinfo=UTC)
# So many pods begin at once, and how long each of them runs.
SHIFT: Final = 10
LIFE: Final = timedelta(days=1)


def first_load(pods: int, now: datetime) -> World:
    """A fortnight of a research cluster's life; what was deleted can still be read."""
    config = WorldConfig(pods=pods, start=now - timedelta(days=14), days=14.01)
    return World(config, Clock(now))


def history(pods: int, now: datetime) -> World:
    """Pods that ended over the last 200 days, and `OPEN` that run, born over the last three."""
    world = World(WorldConfig(start=NEVER_BY_ITSELF), Clock.running(now))
    gangs = (pods - OPEN) // GANG
    for gang in range(gangs):
        created = now - timedelta(days=200) * (1 - gang / gangs) - timedelta(days=4)
        started = created + timedelta(minutes=2)
        hours = timedelta(hours=1 + gang % 48)
        world.add(GANG, created_at=created, scheduled_at=created, started_at=started, completed_at=started + hours)
    for gang in range(OPEN // GANG):
        created = now - timedelta(days=3) * (1 - gang * GANG / OPEN) - timedelta(hours=1)
        world.add(GANG, created_at=created, scheduled_at=created, started_at=created + timedelta(minutes=2))
    return world


def metrics(pods: int, now: datetime) -> World:
    """Pods that run, and have run for longer than anybody asks."""
    world = World(WorldConfig(start=NEVER_BY_ITSELF), Clock(now))
    for _ in range(pods // GANG):
        created = now - timedelta(hours=6)
        world.add(GANG, created_at=created, scheduled_at=created, started_at=created)
    return world


def first_day(pods: int, now: datetime) -> World:
    """Pods that run, born within a day of each other."""
    return _month(pods, now, days=0)


def thirtieth_day(pods: int, now: datetime) -> World:
    """The same after a month in which as many ran at any time, each for a day."""
    return _month(pods, now, days=30)


def _month(pods: int, now: datetime, days: int) -> World:
    world = World(WorldConfig(start=NEVER_BY_ITSELF), Clock(now))
    now, shifts = now.replace(second=0, microsecond=0), pods // SHIFT
    for number in range(shifts * (days + 1)):
        created = now - LIFE * (1 + number / shifts) + timedelta(hours=2)
        ended = created + LIFE if number >= shifts else None
        world.add(SHIFT, created_at=created, scheduled_at=created, started_at=created, completed_at=ended)
    return world


class Remembering(Simulator):
    """Renders the same samples once: what is measured is whoever asks, not whoever answers."""

    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(world, **options)
        self._rendered: dict[object, Reply] = {}

    def _reply(self, call: Call, number: int) -> Reply:
        if not call.path.endswith("/metrics"):
            return super()._reply(call, number)
        asked = (call.path, call.params)
        if asked not in self._rendered:
            self._rendered[asked] = super()._reply(call, number)
        return self._rendered[asked]


def change(world: World) -> None:
    """Let pods complete, be deleted, be born and be edited, `CHANGES` in number."""
    truth = world.truth()
    is_open = iter([pod.id for pod in truth if pod.completed_at is None])
    ended = iter([pod.id for pod in truth if pod.completed_at is not None][::-1])
    for _ in range(CHANGES["completed"]):
        world.complete(next(is_open))
    for _ in range(CHANGES["edited"]):
        world.edit(next(is_open), priorityClassName="very-high")
    for _ in range(CHANGES["deleted"]):
        world.delete(next(ended))
    for _ in range(CHANGES["created"] // GANG):
        world.add(GANG)


SCENES: Final[dict[str, Callable[[int, datetime], World]]] = {
    "first-load": first_load,
    "history": history,
    "metrics": metrics,
    "latency": metrics,
    "first-day": first_day,
    "thirtieth-day": thirtieth_day,
}
LATENCY: Final = {"latency": 0.1}
"""Seconds before each answer, by scene."""


def main(scene: str, pods: int) -> None:
    """Serve until the input ends."""
    world = SCENES[scene](pods, datetime.now(UTC))
    switches = Switches(advanced_metrics=True, latency=LATENCY.get(scene, 0))
    simulator = Remembering(
        world, switches=switches, client_id=CLIENT["clientID"], client_secret=CLIENT["clientSecret"]
    )
    with simulator.serve() as url:
        print(url, flush=True)
        for line in sys.stdin:
            if line.strip() == "now":
                print(world.clock.now().isoformat(), flush=True)
                continue
            if line.strip() == "change":
                change(world)
            print(len(simulator.requests), flush=True)
            simulator.clear_requests()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
