"""The standing parts of the world: clusters, node pools, nodes and projects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU model: its memory, how many a node holds, and into how many MIG slices it is cut."""

    memory_mib: int
    gpus_per_node: int
    slices: int


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool of one cluster."""

    name: str
    card: Card
    nodes: tuple[str, ...]


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
    """Clusters and projects, and how likely each is to get the next workload."""

    clusters: tuple[Cluster, ...]
    cluster_weights: tuple[int, ...]
    projects: tuple[Project, ...]
    project_weights: tuple[int, ...]


def read(name: str) -> Any:
    """A JSON file that stands beside this module."""
    return json.loads(files("simulator.world").joinpath(f"{name}.json").read_text())


def build(rng: Random, new_id: Any, *, scale: int) -> Fleet:
    """The fleet; `scale` multiplies the nodes of every pool, so that a busy world has room."""
    data = read("fleet")
    cards = {name: Card(**card) for name, card in data["cards"].items()}
    clusters = tuple(_cluster(cluster, cards, new_id(rng), scale) for cluster in data["clusters"])
    return Fleet(
        clusters=clusters,
        cluster_weights=tuple(cluster["weight"] for cluster in data["clusters"]),
        projects=tuple(Project(project["id"], project["name"]) for project in data["projects"]),
        project_weights=tuple(project["weight"] for project in data["projects"]),
    )


def _cluster(data: dict[str, Any], cards: dict[str, Card], id_: str, scale: int) -> Cluster:
    pools = {
        pool["name"]: Pool(
            name=pool["name"],
            card=cards[pool["card"]],
            nodes=tuple(pool["node"].format(number) for number in range(1, pool["nodes"] * scale + 1)),
        )
        for pool in data["pools"]
    }
    return Cluster(id_, data["name"], data["network"], pools)
