"""What each operation answers."""

from __future__ import annotations

from collections import OrderedDict
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from simulator.instants import SECOND
from simulator.problems import Problem
from simulator.service import query
from simulator.service.cluster_pods import cluster_pod
from simulator.service.disguise import is_hit
from simulator.service.exchange import Reply
from simulator.service.rendering import Rendering, page
from simulator.service.samples import Samples

if TYPE_CHECKING:
    from simulator.contract import Ask, Contract
    from simulator.switches import Switches
    from simulator.world import World
    from simulator.world.columns import Ints, Mask, Snapshot

_REMEMBERED: Final = 32
_PAGING: Final = frozenset({"offset", "limit", "verbosity"})
_NEXT_AT_END: Final[dict[str, bytes | None]] = {"absent": None, "null": b"null", "zero": b"0"}


class Answers:
    """Answers requests that the contract allows, for one world and one set of switches."""

    def __init__(self, world: World, contract: Contract, switches: Switches) -> None:
        self._world, self._contract, self._switches = world, contract, switches
        self._rendering = Rendering(contract, switches)
        self._snapshot: tuple[tuple[int, int], Snapshot] | None = None
        self._orders: OrderedDict[Any, Ints] = OrderedDict()
        self._operations = {
            "list_pods": self._list,
            "count_pods": self._count,
            "get_workload_pods": self._workload,
            "get_revision_pods": self._revision,
            "get_workload_pod_metrics": self._metrics,
            "getPods": self._cluster,
        }

    def reply(self, ask: Ask, number: int) -> Reply:
        """The answer to the request of that number, or a `Problem`."""
        if {"all", ask.operation} & set(self._switches.forbidden):
            raise Problem(403, "You do not have sufficient permissions.")
        return self._operations[ask.operation](ask, self._world.clock.micros(), number)

    def _list(self, ask: Ask, at: int, number: int) -> Reply:
        snapshot = self._at(at)
        order = self._order(snapshot, ask, at, number)
        end = ask["offset"] + ask["limit"]
        shown, is_full = order[ask["offset"] : end], ask.get("verbosity") == "full"
        next_ = str(end).encode() if end < len(order) else _NEXT_AT_END[self._switches.next_at_end]
        body = page(self._rendering.rows(snapshot, shown, is_full=is_full), next_)
        return Reply(200, body, named=self._readable(snapshot, shown) if is_full else ())

    def _readable(self, snapshot: Snapshot, rows: Ints) -> tuple[str, ...]:
        ids = (snapshot.pods[row].id for row in rows.tolist())
        return tuple(id_ for id_ in ids if not is_hit(self._switches.broken_rows, id_, "broken"))

    def _count(self, ask: Ask, at: int, number: int) -> Reply:
        return Reply.of({"count": len(self._order(self._at(at), ask, at, number))})

    def _workload(self, ask: Ask, at: int, number: int) -> Reply:
        self._must_know("workloadId", ask["workloadId"], at)
        return self._list(ask, at, number)

    def _revision(self, ask: Ask, at: int, number: int) -> Reply:
        self._must_know("revisionId", ask["revisionId"], at)
        snapshot = self._at(at)
        rows = self._rendering.rows(snapshot, self._order(snapshot, ask, at, number), is_full=False)
        return Reply(200, page(rows, None))

    def _metrics(self, ask: Ask, at: int, number: int) -> Reply:
        pod = self._world.find(ask["podId"])
        is_known = pod is not None and self._world.knows(pod, at)
        if pod is None or not is_known or pod.workload.id != ask["workloadId"]:
            raise Problem(404, "Resource id not found.")
        is_gone = pod.deleted <= at and not self._switches.metrics_of_deleted
        if is_gone or pod.workload.project.id in self._switches.hidden_projects:
            raise Problem(404, "Resource id not found.")
        samples = Samples(self._contract, self._switches, self._rendering.stamps, self._rng(number))
        return samples.reply(pod, ask, self._world.reported(pod, at))

    def _cluster(self, ask: Ask, at: int, _number: int) -> Reply:
        if ask["uuid"] not in {cluster.id for cluster in self._world.fleet.clusters}:
            raise Problem(404, "Resource id not found.")
        snapshot = self._at(at)
        mask = self._shown(snapshot) & query.texts_from(snapshot.texts["clusterId"], ask["uuid"])
        unit = int(self._switches.epoch_unit * SECOND)
        rows = np.flatnonzero(mask).tolist()
        pods = [cluster_pod(snapshot.pods[row], int(snapshot.flags[row]), unit) for row in rows]
        return Reply(200, orjson.dumps(pods))

    def _must_know(self, column: str, id_: str, at: int) -> None:
        snapshot = self._at(at)
        if not (self._shown(snapshot) & query.texts_from(snapshot.texts[column], id_)).any():
            raise Problem(404, "Resource id not found.")

    def _order(self, snapshot: Snapshot, ask: Ask, at: int, number: int) -> Ints:
        """The rows that a request is about, in order; kept for its next pages while the clock stands still."""
        values = {name: value for name, value in ask.values.items() if name not in _PAGING}
        key = (self._world.edition, at, ask.operation, repr(values))
        if self._switches.ties != "shuffled" and key in self._orders:
            return self._orders[key]
        has_deleted = self._switches.plain_list_has_deleted
        is_narrowed = ask.operation != "count_pods" or not self._switches.counts_hidden
        among = self._shown(snapshot) if is_narrowed else snapshot.is_listed
        mask = query.matching(snapshot, among, ask, plain_has_deleted=has_deleted)
        order = query.ordered(snapshot, mask, ask, lambda length: self._ties(length, number))
        self._orders[key] = order
        if len(self._orders) > _REMEMBERED:
            self._orders.popitem(last=False)
        return order

    def _shown(self, snapshot: Snapshot) -> Mask:
        return query.shown(snapshot, self._switches.hidden_projects)

    def _ties(self, length: int, number: int) -> Ints:
        if self._switches.ties == "shuffled":
            return np.random.default_rng((self._world.config.seed, number)).permutation(length)
        order = np.arange(length)
        return order[::-1] if self._switches.ties == "reversed" else order

    def _at(self, at: int) -> Snapshot:
        key = (self._world.edition, at)
        if self._snapshot is None or self._snapshot[0] != key:
            snapshot = self._world.snapshot(at)
            # The world may have grown to this instant, and so be another edition than before.
            self._snapshot = ((self._world.edition, at), snapshot)
        return self._snapshot[1]

    def _rng(self, number: int) -> Random:
        return Random(f"{self._world.config.seed}/{number}")
