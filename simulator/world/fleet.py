"""The standing parts of the world: clusters, node pools, nodes and projects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU model: its memory, and how many a node holds."""

    memory_mib: int
    gpus_per_node: int


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool of one cluster: how many nodes it has at first, and how they are named."""

    name: str
    card: Card
    nodes: int
    pattern: str

    def node_name(self, place: int) -> str:
        """The name of its node at a place, from 0 on."""
        return self.pattern.format(place + 1)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster with its pools by name."""

    id: str
    name: str
    network: str
    pools: dict[str, Pool]


@dataclass(frozen=True, slots=True)
class Project:
    """A project; its id is text that looks like a number."""

    id: str
    name: str


@dataclass(frozen=True)
class Fleet:
    """Clusters and projects, each as many times as it is likely to get the next workload."""

    clusters: tuple[Cluster, ...]
    _weighted_clusters: dict[str, tuple[Cluster, ...]]
    _weighted_projects: tuple[Project, ...]

    def cluster_with(self, pool: str, chance: float) -> Cluster:
        """A cluster that has a node pool, by a chance from 0 to 1."""
        candidates = self._weighted_clusters[pool]
        return candidates[int(chance * len(candidates))]

    def project(self, chance: float) -> Project:
        """A project, by a chance from 0 to 1."""
        return self._weighted_projects[int(chance * len(self._weighted_projects))]


def read(name: str) -> Any:
    """A JSON file that stands beside this module."""
    return json.loads(files("simulator.world").joinpath(f"{name}.json").read_text())


def build(rng: Random, new_id: Callable[[Random], str]) -> Fleet:
    """The fleet of `fleet.json`, its clusters with ids of this world."""
    data = read("fleet")
    cards = {name: Card(**card) for name, card in data["cards"].items()}
    clusters = tuple(_cluster(cluster, cards, new_id(rng)) for cluster in data["clusters"])
    weighted = [
        cluster for cluster, facts in zip(clusters, data["clusters"], strict=True) for _ in range(facts["weight"])
    ]
    pools = {pool for cluster in clusters for pool in cluster.pools}
    projects = [(Project(facts["id"], facts["name"]), facts["weight"]) for facts in data["projects"]]
    return Fleet(
        clusters,
        {pool: tuple(cluster for cluster in weighted if pool in cluster.pools) for pool in pools},
        tuple(project for project, weight in projects for _ in range(weight)),
    )


def _cluster(data: dict[str, Any], cards: dict[str, Card], id_: str) -> Cluster:
    pools = {
        pool["name"]: Pool(pool["name"], cards[pool["card"]], pool["nodes"], pool["node"]) for pool in data["pools"]
    }
    return Cluster(id_, data["name"], data["network"], pools)
