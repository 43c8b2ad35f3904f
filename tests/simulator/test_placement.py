"""No GPU is given away twice."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from simulator import Clock, TruthPod, World, WorldConfig
from tests.simulator.plane import START, Plane

Place = tuple[str, str, int]


def holdings(world: World) -> dict[Place, list[tuple[datetime, float]]]:
    """Per GPU, how its allocation changes: at each instant so much more or less."""
    found: dict[Place, list[tuple[datetime, float]]] = defaultdict(list)
    end = world.clock.now()
    for pod in world.truth():
        spans = [span for span in pod.phases if span.allocated_gpu]
        for span in spans:
            share = min(span.allocated_gpu or 0, 1.0)
            for gpu in pod.gpus:
                place = (pod.cluster_id, str(span.node), gpu)
                found[place] += [(span.start, share), (span.to or end, -share)]
    return found


def test_no_gpu_is_given_away_twice() -> None:
    world = World(WorldConfig(seed=2, pods=1200, start=START, days=5), Clock(START + timedelta(days=5)))
    changes = holdings(world)
    assert len({node for _, node, _ in changes}) > 10
    for place, steps in changes.items():
        held = 0.0
        # What ends at an instant makes room for what begins then.
        for _, step in sorted(steps):
            held += step
            assert held <= 1 + 1e-6, place


def test_as_many_gpus_as_are_allocated() -> None:
    plane = Plane(pods=600)
    for pod in plane.world.truth():
        allocated = max((span.allocated_gpu or 0 for span in pod.phases), default=0)
        assert len(set(pod.gpus)) == len(pod.gpus)
        if allocated:
            assert len(pod.gpus) == max(1, int(allocated))
            assert max(pod.gpus) < 8
        elif pod.started_at:
            assert pod.gpus == ()


def test_a_node_filling_gang_spreads() -> None:
    plane = Plane(pods=5)
    gangs: list[list[TruthPod]] = []
    while not any(len(gang[0].gpus) == 8 for gang in gangs):
        gangs.append(plane.world.add(6, kind="distributed", started_at=plane.clock.now()))
    nodes = [pod.phases[-1].node for pod in gangs[-1]]
    assert len(set(nodes)) == 6


def test_a_shared_gpu_is_filled_before_the_next() -> None:
    plane = Plane(pods=5)
    [first] = plane.world.add(kind="workspace", started_at=plane.clock.now())
    while first.phases[-1].allocated_gpu != 0.25:
        [first] = plane.world.add(kind="workspace", started_at=plane.clock.now())
    mates = plane.world.add(3, like=first.id, started_at=plane.clock.now())
    same_pool = [pod for pod in mates if pod.phases[-1].pool == first.phases[-1].pool]
    assert same_pool
    for pod in same_pool:
        assert (pod.phases[-1].node, pod.gpus) == (first.phases[-1].node, first.gpus)
