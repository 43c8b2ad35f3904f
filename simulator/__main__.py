"""`python -m simulator`: a control plane to run pipelines against, on loopback."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from simulator.clock import Clock
from simulator.server import Simulator
from simulator.switches import Switches
from simulator.world import World, WorldConfig

app = App(name="python -m simulator", version_flags=[], result_action="return_value")

_CONFIG = """\
[sources.runai]
base_url = "{url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
api_version = "{version}"
"""


@app.default
def serve(
    *,
    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1",
    port: int = 0,
    version: str = "2.21",
    seed: int = 7,
    pods: int = 400,
    days: float = 14,
    at: datetime | None = None,
    start: datetime | None = None,
    clock: Literal["fixed", "running"] = "fixed",
    speed: float = 1.0,
    client_id: str = "demo",
    client_secret: str = "demo-secret",
    switch: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    world: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    print_config: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Serve a simulated Run:ai control plane; its URL is the first line printed. SIGTERM or Ctrl-C ends it.

    The world depends on seed, pods, days and start alone; the clock says how much of it has happened.

    Parameters
    ----------
    host
        Loopback address to listen on.
    port
        Port to listen on; 0 takes any that is free.
    version
        Control-plane version whose contract is served, 2.18 to 2.24.
    seed
        Seed of the world.
    pods
        Pods that are born in every stretch of `days`.
    days
        Length of that stretch.
    at
        What the clock shows at first, ISO 8601 in UTC; the present by default.
    start
        When the world begins; `days` before `at` by default.
    clock
        Whether the clock stands still or runs.
    speed
        Seconds of the world in a real second, for a running clock.
    client_id
        Accepted client (or application) id.
    client_secret
        Accepted client (or application) secret.
    switch
        A switch as NAME=VALUE, such as `ties=shuffled` or `purge_days=3`; may be repeated. Values are JSON or bare.
    world
        A further trait of the world as NAME=VALUE, such as `deleted_share=0`; may be repeated.
    print_config
        Print, after the URL, the `[sources.runai]` section that signs in here.
    """
    now = _utc(at) if at else datetime.now(UTC)
    begin = _utc(start) if start else now - timedelta(days=days)
    try:
        config = WorldConfig(seed=seed, pods=pods, days=days, start=begin, **_traits(_pairs(world, "--world")))
        simulator = Simulator(
            World(config, Clock(now, speed=speed if clock == "running" else 0.0)),
            switches=Switches.of(_pairs(switch, "--switch")),
            version=version,
            client_id=client_id,
            client_secret=client_secret,
        )
    except ValueError as error:
        print(f"python -m simulator: {error}", file=sys.stderr)
        sys.exit(2)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with simulator.serve(host, port) as url:
        print(url, flush=True)
        if print_config:
            text = _CONFIG.format(url=url, client_id=client_id, client_secret=client_secret, version=version)
            print(text, end="", flush=True)
        stop.wait()


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _pairs(settings: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = [setting.partition("=") for setting in settings]
    for name, equals, _ in pairs:
        if not equals:
            raise ValueError(f"{option} {name}: NAME=VALUE is wanted")
    return {name: value for name, _, value in pairs}


def _traits(settings: dict[str, str]) -> dict[str, Any]:
    """Numbers of a `WorldConfig` that have no option of their own."""
    free = {"life_scale", "deleted_share", "auto_delete_days", "late_share", "late_hours"}
    if unknown := settings.keys() - free:
        raise ValueError(f"no trait {min(unknown)!r}; there are {', '.join(sorted(free))}")
    return {name: float(value) for name, value in settings.items()}


if __name__ == "__main__":
    app()
