"""Which node, and which of its GPUs, a pod gets: no GPU is given away twice, and a pool grows when it is full."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count as counter
from typing import TYPE_CHECKING, Final

from simulator.instants import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.world.fleet import Pool
    from simulator.world.pods import Pod

# Shares are sums of fractions such as 3/7.
_NEARLY: Final = 1e-6


@dataclass(slots=True)
class _Node:
    name: str
    free: list[float]
    # What can be said without a look at every GPU: how many are idle, and how much the freest has left.
    idle: int
    most: float = 1.0

    def may_fit(self, share: float, count: int) -> bool:
        return self.idle >= count if share >= 1 else self.most + _NEARLY >= share

    def choose(self, share: float, count: int) -> tuple[int, ...]:
        """The GPUs that are left with least; only for what may fit."""
        fitting = [place for place, left in enumerate(self.free) if left + _NEARLY >= share]
        if share >= 1:
            return tuple(fitting[:count])
        return (min(fitting, key=lambda place: self.free[place]),)

    def take(self, gpus: tuple[int, ...], share: float) -> None:
        for gpu in gpus:
            self.free[gpu] -= share
        self.most = max(self.free)
        self.idle = sum(left + _NEARLY >= 1 for left in self.free)


@dataclass
class _Room:
    """The nodes of one pool, and when what they hold is given back."""

    pool: Pool
    nodes: list[_Node] = field(default_factory=list)
    ends: list[tuple[int, int, _Node, tuple[int, ...], float]] = field(default_factory=list)
    turn: int = 0

    def node(self, place: int) -> _Node:
        while place >= len(self.nodes):
            there = self.pool.card.gpus_per_node
            self.nodes.append(_Node(self.pool.node_name(len(self.nodes)), [1.0] * there, there))
        return self.nodes[place]

    def rotate(self) -> _Node:
        self.turn = (self.turn + 1) % max(len(self.nodes), self.pool.nodes)
        return self.node(self.turn)

    def release(self, now: int) -> None:
        while self.ends and self.ends[0][0] <= now:
            _, _, node, gpus, share = heapq.heappop(self.ends)
            node.take(gpus, -share)

    def find(self, share: float, count: int) -> _Node:
        """The first node with room; a new one, if all are taken."""
        fitting = (node for node in self.nodes if node.may_fit(share, count))
        return next(fitting, None) or self.node(len(self.nodes))


class Placement:
    """Places pods in the order of their scheduling."""

    def __init__(self) -> None:
        self._rooms: dict[tuple[str, str], _Room] = {}
        # Settles the order of pods that end at one instant.
        self._number = counter()

    def place(self, pods: Iterable[Pod]) -> None:
        """Give each pod its node and GPUs; one that is never scheduled holds nothing."""
        for pod in sorted(pods, key=lambda pod: pod.scheduled):
            key = (pod.workload.cluster.id, pod.pool.name)
            room = self._rooms.setdefault(key, _Room(pod.pool))
            count = min(max(int(pod.allocated_gpu()), 1), pod.pool.card.gpus_per_node)
            if pod.scheduled >= NEVER or not pod.workload.request.uses_gpu or not count:
                pod.node = room.rotate().name
                continue
            share = min(pod.allocated_gpu(), 1.0)
            room.release(pod.scheduled)
            node = room.find(share, count)
            pod.gpus = node.choose(share, count)
            node.take(pod.gpus, share)
            pod.node = node.name
            heapq.heappush(room.ends, (pod.stopped, next(self._number), node, pod.gpus, share))
