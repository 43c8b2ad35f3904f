"""Who is born when: workloads and their pods, drawn from the kinds in `kinds.json`.

An epoch is a stretch of `days`; each draws from a generator of its own, so that the world can grow to any clock without
what was drawn before depending on how far it has grown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from simulator.instants import DAY, HOUR, MINUTE, NEVER, SECOND
from simulator.world.fleet import Fleet, read
from simulator.world.pods import Pod, Request, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAIL: Final = "bcdfghjklmnpqrstvwxz2456789"
_TOLERATIONS: Final[tuple[dict[str, Any], ...]] = (
    {"key": "nvidia.com/gpu", "operator": "Exists", "value": "", "effect": "NoSchedule", "tolerationSeconds": None},
    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "value": "", "effect": "NoExecute",
     "tolerationSeconds": 300},
    {"key": "dedicated", "operator": "Equal", "value": "research", "effect": "PreferNoSchedule",
     "tolerationSeconds": None},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Habits:
    """How the world lives beyond its kinds: the rates that a `WorldConfig` sets."""

    life_scale: float
    deleted_share: float
    auto_delete_days: float
    late_share: float
    late_hours: float


def new_id(rng: Random) -> str:
    """A version-4 UUID out of the world's own randomness."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def tail(rng: Random, length: int) -> str:
    """Letters such as Kubernetes appends to the names that it makes."""
    return "".join(rng.choices(_TAIL, k=length))


class Births:
    """Draws the workloads of epochs over one fleet."""

    def __init__(self, fleet: Fleet, habits: Habits) -> None:
        self._fleet = fleet
        self._habits = habits
        self.kinds: dict[str, Any] = read("kinds")
        self._names = list(self.kinds)
        self._weights = list(accumulate(kind["weight"] for kind in self.kinds.values()))
        self._requests = {name: _request(data) for name, data in read("requests").items()}

    def epoch(self, seed: str, start: int, length: int, pods: int) -> list[Pod]:
        """The pods that are planned in one epoch, exactly `pods` of them, in order of their creation."""
        rng = Random(seed)
        born: list[Pod] = []
        while len(born) < pods:
            born.extend(self._family(rng, start + _arrival(rng, length)))
        return sorted(born[:pods], key=lambda pod: pod.created)

    def _family(self, rng: Random, at: int) -> list[Pod]:
        name = rng.choices(self._names, cum_weights=self._weights)[0]
        kind = self.kinds[name]
        workload = self.workload(rng, name)
        pods = list((self._revisions if "revisions" in kind else self._gang)(rng, workload, at))
        self._clean_up(rng, pods)
        for pod in pods:
            is_late = rng.random() < self._habits.late_share
            pod.visible = pod.created + int(is_late * self._habits.late_hours * rng.uniform(0.3, 1.7) * HOUR)
        return pods

    def workload(self, rng: Random, kind_name: str) -> Workload:
        """A workload of a kind, without pods."""
        kind = self.kinds[kind_name]
        pools = rng.choice(kind["pools"])
        cluster = self._fleet.cluster_with(pools[0], rng.random())
        request = self._requests[rng.choice(kind["requests"])]
        digest = f"{rng.getrandbits(256):064x}"
        # Names and images stand side by side in the lists: what serves speech does not embed text.
        place = rng.randrange(len(kind["names"]))
        return Workload(
            id=new_id(rng),
            name=f"{kind['names'][place]}-{tail(rng, 4)}",
            kind=kind_name,
            priority=kind["priority"],
            project=self._fleet.project(rng.random()),
            cluster=cluster,
            pools=tuple(pool for pool in pools if pool in cluster.pools),
            request=request,
            image=kind["images"][place % len(kind["images"])].format(digest=digest),
            sidecar=kind.get("sidecar"),
            tolerations=_TOLERATIONS[0 if request.uses_gpu else 1 : rng.randint(1, 3)],
            affinity=_affinity(rng, request),
        )

    def _gang(self, rng: Random, workload: Workload, at: int) -> Iterator[Pod]:
        kind = self.kinds[workload.kind]
        wait, life = self._wait(rng, kind), self._life(rng, kind)
        end = _draw(rng, kind["ends"])
        for replica in range(rng.randint(*kind["replicas"])):
            created, restarts = at, 0
            while True:
                pod = self.pod(rng, workload, created, replica=replica)
                fate = end if restarts == 0 else "Succeeded"
                self._live(rng, pod, wait, life, fate)
                yield pod
                again = fate == "preempted" or (fate == "Failed" and restarts < kind["restarts"])
                if not again or pod.stopped >= NEVER:
                    break
                created, restarts = pod.stopped + int(rng.uniform(5, 600) * SECOND), restarts + 1

    def _revisions(self, rng: Random, workload: Workload, at: int) -> Iterator[Pod]:
        """Each revision takes over from the one before; its replicas come and go with the load."""
        kind = self.kinds[workload.kind]
        for number in range(1, rng.randint(*kind["revisions"]) + 1):
            revision_id, life = new_id(rng), self._life(rng, kind)
            for replica in range(rng.randint(*kind["replicas"])):
                late = int(replica * rng.uniform(0, 0.3) * life)
                pod = self.pod(rng, workload, at + late, replica=replica, revision=number, revision_id=revision_id)
                self._live(rng, pod, self._wait(rng, kind), max(life - 2 * late, MINUTE), "stopped")
                yield pod
            at += life

    def pod(
        self,
        rng: Random,
        workload: Workload,
        created: int,
        *,
        replica: int = 0,
        revision: int = 1,
        revision_id: str | None = None,
    ) -> Pod:
        """A pod that is waiting for its node."""
        second = len(workload.pools) > 1 and rng.random() < 0.3
        pool = workload.cluster.pools[workload.pools[second]]
        pattern = self.kinds[workload.kind]["pod"]
        name = pattern.format(workload=workload.name, replica=replica, revision=f"{revision:05d}", tail=tail(rng, 5))
        return Pod(new_id(rng), name, workload, revision_id, pool, rng.getrandbits(60), created, visible=created)

    def _live(self, rng: Random, pod: Pod, wait: int, life: int, fate: str) -> None:
        if fate == "stuck":
            pod.deleted = pod.created + life if rng.random() < self._habits.deleted_share else NEVER
            return
        pod.scheduled = pod.created + wait
        if fate == "unstarted":
            pod.deleted = pod.scheduled + life
            return
        pod.started = pod.scheduled + int(rng.uniform(2, 90) * SECOND)
        stop = pod.started + life
        if rng.random() < 0.03:
            pod.restarted = pod.started + life // 3
        if fate in {"Succeeded", "Failed"}:
            # Replicas finish one after another; what is deleted is deleted at once.
            pod.completed, pod.end_phase = stop + int(rng.random() * 0.03 * life), fate
        else:
            pod.deleted = stop

    def _clean_up(self, rng: Random, pods: list[Pod]) -> None:
        """Give the finished pods of a workload one deletion: by its owner, or by the control plane's own rule."""
        last = max((pod.completed for pod in pods if pod.completed < NEVER), default=NEVER)
        if last == NEVER:
            return
        if rng.random() < self._habits.deleted_share:
            deleted = last + int(rng.lognormvariate(math.log(30), 1.1) * HOUR)
        else:
            deleted = last + int(self._habits.auto_delete_days * DAY)
        for pod in pods:
            pod.deleted = min(pod.deleted, max(deleted, pod.started))

    def _wait(self, rng: Random, kind: dict[str, Any]) -> int:
        return int(kind["wait_minutes"] * rng.lognormvariate(0, 0.9) * MINUTE) + SECOND

    def _life(self, rng: Random, kind: dict[str, Any]) -> int:
        return int(kind["hours"] * rng.lognormvariate(0, kind["spread"]) * self._habits.life_scale * HOUR) + MINUTE


def _arrival(rng: Random, length: int) -> int:
    """An instant of the epoch; office hours are three times as busy as nights and weekends."""
    while True:
        at = int(rng.random() * length)
        is_busy = 7 * HOUR <= at % DAY <= 18 * HOUR and (at // DAY) % 7 < 5
        if is_busy or rng.random() < 0.33:
            return at


def _draw(rng: Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _request(data: dict[str, Any]) -> Request:
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    return Request(**{**data, **lists})


def _affinity(rng: Random, request: Request) -> dict[str, Any]:
    if not request.uses_gpu or rng.random() < 0.6:
        return {"required": None, "preferred": None}
    expression = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-A100-SXM4-80GB", "NVIDIA-L4"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    zone = {"key": "topology.kubernetes.io/zone", "operator": "Exists", "values": []}
    preferred = {"nodeSelectorTerms": [{"weight": 10, "preference": {"matchExpressions": [zone]}}]}
    return {"required": required, "preferred": preferred if rng.random() < 0.5 else None}
