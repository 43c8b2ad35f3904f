"""What a soak has to bear, all of it drawn from a seed: habits of the control plane, faults, births and deaths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from simulator import Fault, Simulator, Switches, TruthPod, World
from simulator.service.disguise import is_hit
from simulator.service.exchange import Seen
from simulator.service.tokens import V2
from simulator.world.config import Outage
from sources.runai.credentials import V1

FAULT_SHARE: Final = 0.05
_KINDS: Final = (
    Fault(status=429),
    Fault(status=429, headers={"Retry-After": "0"}),
    Fault(status=500),
    Fault(status=503),
    Fault(kind="html", status=502),
    Fault(kind="reset"),
    Fault(kind="truncated"),
    Fault(kind="cut"),
)
FAULTS: Final = tuple(replace(fault, probability=FAULT_SHARE / len(_KINDS)) for fault in _KINDS)
# What no retry outlasts: for one run, from some request on.
_STORMS: Final = (
    Fault(status=503),
    Fault(status=500),
    Fault(status=401),
    Fault(status=403),
    Fault("/metrics", status=500),
    Fault("/metrics", kind="html", status=502),
    Fault(kind="reset"),
)

# Requests of an hourly run; to a longer one no more happens than to one of these.
_USUAL_CALLS: Final = 100

_GUARDED: Final = ("list_pods", "count_pods", "get_workload_pods", "get_workload_pod_metrics", "all")

# How a control plane is, for as long as it is of one version.
_PLANE: Final[Mapping[str, tuple[Any, ...]]] = {
    "deletion_is_update": (True, False),
    "timestamp_style": ("T", "space"),
    "trims_zeros": (False, True),
    "omits_nulls": (False, True),
    "next_at_end": ("absent", "null", "zero"),
    "empty_series": ("empty", "null", "omit"),
    "samples_include_end": (False, True),
    "token_style": ("jwt", "opaque"),
    # By the world's clock a token dies before its time is over on the client's.
    "token_lifetime": (86_400.0, 120.0),
    "token_clock": ("real", "world"),
    "token_paths": (None, (V1,)),
    "grants": (None, ("client_credentials",)),
    "epoch_unit": (1.0, 0.001),
    "tells_expiry": (None, True, False),
    "advanced_outcome": ("omit", "207", "400"),
    "most_metric_samples": (1_000, 250),
    "most_metric_types": (9, 5),
}
# What stays as it is for good: every duration is as exact as the instants that are shown, who comes back is known by
# being listed where lists hold no deleted ones, and days, charges and samples are all there in one of the first two.
_LASTING: Final[Mapping[str, tuple[Any, ...]]] = {
    "fraction_digits": (3, 6),
    "plain_list_has_deleted": (False, True),
    "keeps_allocation": (False, True),
    "metrics_of_deleted": (False, True),
    "metric_retention_days": (None, 9.0),
}
# What may be another way on another day.
_DAY: Final[Mapping[str, tuple[Any, ...]]] = {
    "ties": ("stable", "reversed", "shuffled"),
    "unknown_fields": (0.0, 0.3),
    "numbers_as_text": (0.0, 0.5, 1.0),
    "text_as_numbers": (0.0, 0.5),
    "broken_rows": (0.0, 0.0, 0.03),
    "twins": (0.0, 0.1),
    "advanced_metrics": (True, True, False),
    "partial_metrics": (0.0, 0.03),
    "nan_samples": (0.0, 0.01),
    "most_in_flight": (None, 3),
    "jitter": (0.0, 0.002),
}
# What hides or alters fields for good: of a pod that is over no truth is ever told, and no duration is exact. With it
# goes what loses pods where nobody runs for a week.
HIDING: Final[Mapping[str, Any]] = {
    "nulls": 0.1,
    "absences": 0.1,
    "unknown_phases": 0.05,
    "odd_quantities": 0.2,
    "shows_deleted_at": False,
    "purge_days": 6.0,
    "latency": 0.001,
}
# What a storm switches.
STORMY: Final = ("faults", "forbidden", "hidden_projects", "counts_hidden")
# Switches that a soak leaves alone, and why.
UNPLAYED: Final = {"refusal_status": "credentials are never wrong here; the tests of signing in have it"}


def outages(rng: Random, start: datetime, days: float) -> tuple[Outage, ...]:
    """A few hours, in each of three clusters, in which it cannot be reached."""
    begins = [start + timedelta(days=days * rng.uniform(0.05, 0.8)) for _ in range(3)]
    return tuple(
        Outage(begin, begin + timedelta(hours=rng.uniform(1, 18)), place) for place, begin in enumerate(begins)
    )


class Weather:
    """Deals the switches of a control plane, and notes which were ever on.

    With the turns 0 and 1 of a seed, each switch has had each of its values, but those that hide.
    """

    def __init__(self, seed: int, turn: int, *, hides: bool = False) -> None:
        self._seed, self._turn, self._rng = seed, turn, Random(f"{seed}/{turn}/weather")
        self.seen: dict[str, set[Any]] = {}
        # Those whose pods could not be seen for a run.
        self.hidden_projects: set[str] = set()
        self._lasting = self._deal(_LASTING, turn) | (self._noted(dict(HIDING)) if hides else {})
        self._plane = self._deal(_PLANE, turn)

    def upgrade(self) -> None:
        """Another version has other habits."""
        self._plane = self._deal(_PLANE, self._turn + 1)

    def day(self) -> Switches:
        """How a control plane behaves for a day, faults included."""
        return Switches(**self._lasting, **self._plane, **self._draw(_DAY), faults=FAULTS)

    def calm(self) -> Switches:
        """The same control plane on a day on which nothing goes wrong."""
        # A sample at the very end of the last window would be more than the truth holds.
        habits = self._lasting | self._plane | {"samples_include_end": False}
        return Switches(**habits, advanced_metrics=True)

    def storm(self, day: Switches, projects: Sequence[str]) -> Switches:
        """The day, with something that does not pass while a run lasts; a permission is lost, or that to a project."""
        kind = self._rng.random()
        if kind < 0.2:
            return replace(day, forbidden=(self._rng.choice(_GUARDED),))
        if kind < 0.4:
            project = self._rng.choice(projects)
            self.hidden_projects.add(project)
            return replace(day, hidden_projects=(project,), counts_hidden=self._rng.random() < 0.5)
        fault = replace(self._rng.choice(_STORMS), after=self._rng.randrange(60))
        return replace(day, faults=(fault, *FAULTS))

    def broken(self, world: World) -> set[str]:
        """Pods that nobody could read on some days."""
        share = max(self.seen["broken_rows"])
        return {pod.id for pod in world.truth() if is_hit(share, pod.id, "broken")}

    def withheld(self, status: str, *, is_late: bool) -> bool:
        """Whether samples that have come to this status were withheld by a control plane as it was drawn.

        Types that came with the upgrade are late: they could not be asked for while their first samples were kept.
        """
        return (
            (status == "not_found" and False in self.seen["metrics_of_deleted"])
            or (status == "disabled" and False in self.seen["advanced_metrics"])
            or (is_late and self.seen["metric_retention_days"] != {None})
        )

    def told(self) -> str:
        """Every switch that was drawn, and what it was."""
        return ", ".join(f"{name} {'/'.join(sorted(map(str, values)))}" for name, values in sorted(self.seen.items()))

    def _deal(self, choices: Mapping[str, tuple[Any, ...]], place: int) -> dict[str, Any]:
        """Of each switch the value at a place in its order, which the seed alone decides."""
        orders = {name: Random(f"{self._seed}/{name}").sample(values, len(values)) for name, values in choices.items()}
        return self._noted({name: order[place % len(order)] for name, order in orders.items()})

    def _draw(self, choices: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Of each switch a value by chance, but first those that there were not yet."""
        seen = self.seen
        new = {name: [one for one in values if one not in seen.get(name, ())] for name, values in choices.items()}
        return self._noted({name: self._rng.choice(new[name] or values) for name, values in choices.items()})

    def _noted(self, switches: dict[str, Any]) -> dict[str, Any]:
        for name, value in switches.items():
            self.seen.setdefault(name, set()).add(value)
        return switches


class Meddler:
    """Moves the clock with every request, and at some of them lets something happen to the world."""

    def __init__(self, simulator: Simulator, rng: Random, share: float) -> None:
        self._simulator, self._world, self._clock = simulator, simulator.world, simulator.world.clock
        self._rng, self._share, self._chance = rng, share, share
        # Pods that were hidden once, and until when.
        self.hidden: dict[str, datetime] = {}
        # Pods whose deletion was taken back: of what was told of them meanwhile, the world knows nothing.
        self.revived: set[str] = set()
        self._calls = self._expired_at = self._issued_at = self._begun_at = 0
        self._deeds = {
            "a tie is born": (4, self._bear),
            "a crowd is born": (0.1, self._crowd),
            "late ones appear": (6, self._come_late),
            "some finish": (8, self._finish),
            "some are deleted": (8, self._delete),
            "one is edited": (4, self._edit),
            "some are hidden": (2, self._hide),
            "one comes back": (1, self._undelete),
            "tokens expire": (6, self._expire),
        }
        self.done: Counter[str] = Counter()

    def begin(self) -> None:
        """A run begins: in a long one happens no more than in a short one, lest what is born makes the next longer."""
        self._chance = self._share * min(1.0, _USUAL_CALLS / max(1, self._calls - self._begun_at))
        self._begun_at = self._calls

    def __call__(self, _number: int, seen: Seen) -> None:
        """Before a request is answered."""
        self._calls += 1
        if seen.path in (V1, V2):
            self._issued_at = self._calls
        self._clock.advance(timedelta(seconds=self._rng.uniform(0, 3)))
        self.reveal(self._clock.now())
        if self._rng.random() < self._chance:
            weights = [weight for weight, _ in self._deeds.values()]
            (name,) = self._rng.choices(list(self._deeds), weights)
            self.done[name] += 1
            self._deeds[name][1]()

    def reveal(self, at: datetime | None = None) -> None:
        """Give back the pods whose time has come; by default all."""
        due = [pod_id for pod_id, until in self.hidden.items() if at is None or until <= at]
        if due := [pod_id for pod_id in due if self._world.pod(pod_id).pod.is_hidden]:
            self._world.hide(pod_ids=due, is_hidden=False)

    def _after(self, hours: float) -> datetime:
        return self._clock.now() + timedelta(hours=self._rng.uniform(0.01, hours))

    def _bear(self) -> None:
        """Some that begin, complete and are deleted at the same instants."""
        number, kind = self._rng.choice((2, 5, 40)), self._rng.choice(("training", "cpu", "sweep"))
        done = self._after(0.7)
        gone = done + timedelta(hours=self._rng.choice((0.0, 2, 30)))
        self._world.add(number, kind=kind, completed_at=done, deleted_at=gone)

    def _crowd(self) -> None:
        """More than a page of one instant, which also go in one instant."""
        self._world.add(self._rng.choice((501, 640)), kind="training", deleted_at=self._after(2))

    def _come_late(self) -> None:
        created = self._clock.now() - timedelta(hours=self._rng.uniform(0.5, 70))
        done = created + timedelta(hours=self._rng.uniform(0.1, 20))
        self._world.add(2, created_at=created, completed_at=done, visible_from=self._after(10))

    def _finish(self) -> None:
        for pod in self._some(3, [pod for pod in self._alive() if pod.completed_at is None]):
            self._world.complete(pod.id, phase=self._rng.choice(("Succeeded", "Failed")))

    def _delete(self) -> None:
        for pod in self._some(3, self._alive()):
            self._world.delete(pod.id)

    def _edit(self) -> None:
        for pod in self._some(1, [pod for pod in self._alive() if pod.completed_at is None]):
            self._world.edit(pod.id, priorityClassName=f"edited-{self._rng.randrange(1000)}")

    def _hide(self) -> None:
        pods = self._some(2, self._alive())
        self._world.hide(pod_ids=[pod.id for pod in pods])
        self.hidden |= {pod.id: self._after(20) for pod in pods}

    def _expire(self) -> None:
        # Twice for one request would be a refusal, not an expiry.
        if self._calls - max(self._expired_at, self._issued_at) > 20:
            self._expired_at = self._calls
            self._simulator.expire_tokens()

    def _undelete(self) -> None:
        if self._simulator.switches.plain_list_has_deleted:
            return
        lately = self._clock.now() - timedelta(hours=5)
        gone = [pod for pod in self._world.truth() if pod.deleted_at is not None and pod.deleted_at > lately]
        for pod in self._some(1, gone):
            self._world.undelete(pod.id)
            self.revived.add(pod.id)

    def _alive(self) -> list[TruthPod]:
        return [pod for pod in self._world.truth() if pod.deleted_at is None and not pod.pod.is_hidden]

    def _some(self, most: int, pods: list[TruthPod]) -> list[TruthPod]:
        return self._rng.sample(pods, min(self._rng.randint(1, most), len(pods)))
