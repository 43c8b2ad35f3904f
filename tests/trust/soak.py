"""Two weeks of hourly runs, and twice two at random times, against a control plane that misbehaves throughout.

Between any two requests pods are born, end, come late or are hidden; of the requests 5 % go wrong; clusters cannot be
reached for hours; deleted pods are purged; half-way the control plane is upgraded. Then it rests for a day, and every
published table must be the truth, or say what could not be had. In the third, fields are hidden or garbled for good:
there, every table must be what was shown.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final
from unittest import mock

from bench.rounds import Goal
from pipelines.run import RunResult
from simulator import WorldConfig
from simulator.instants import SECOND
from simulator.world.metrics import gauges
from sources.runai.catalogue import CATALOGUE, resolve
from sources.runai.errors import RunaiError
from sources.runai.reading.referee import ROTATION_DAYS
from sources.runai.versions import version_of
from tests.behaviour.columns import Row
from tests.behaviour.scene import START, Scene, scene
from tests.trust.had import Keeping, Offer, Reading
from tests.trust.seen_past import Look, cluster_lists
from tests.trust.verdict import (
    Verdict,
    judge_accounts,
    judge_cluster_pods,
    judge_events,
    judge_gpu_seconds,
    judge_hidden,
    judge_history,
    judge_pods,
    judge_rebuild,
    judge_samples,
)
from tests.trust.weather import FAULT_SHARE, Meddler, Weather, outages

# The world is this old when the first run comes: what was deleted from its sixth day on is purged while it goes on.
AGE: Final = timedelta(days=20)
DAYS: Final = 14.0
STORM_SHARE: Final = 0.03
OLD, NEW = "2.21", "2.24"


@dataclass(frozen=True)
class Plan:
    """What one soak plays."""

    title: str
    seed: int
    destination: str
    # Hours between two runs, in turn.
    gaps: tuple[float, ...]
    pods: int = 260
    metrics: str = "all"
    resolution: int = 300
    # Which of the soaks of a seed it is: what the control plane does in one for good, it does not in the next.
    turn: int = 0
    # Whether the control plane hides fields of pods, alters others, and forgets who was deleted within days.
    hides: bool = False
    # Share of the requests before which something happens to the world.
    meddling: float = 0.04
    # Hours of calm at the end: windows that came short are asked for again after a day, and who came late is counted.
    rest: tuple[float, ...] = (0.2, 1, 1, 24)


@dataclass
class Log:
    """What the runs of a soak did."""

    results: list[RunResult] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    # Failed runs with no fault in them that outlasts the retries.
    needless: list[str] = field(default_factory=list)
    # Requests of runs without a storm, and those that a fault struck.
    requests: int = 0
    struck: int = 0
    in_a_row: int = 0
    healed: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    # Runs by the version of the control plane.
    versions: Counter[str] = field(default_factory=Counter)

    @property
    def looks(self) -> list[Look]:
        """Between which instants each run that went well looked."""
        return [(reading.begin, reading.end) for reading in self.readings]


def hourly(seed: int, days: float = DAYS) -> Plan:
    """A run every hour."""
    gaps = (1.0,) * round(24 * days)
    return Plan("hourly", seed, "duckdb", gaps, rest=_rest(days))


def random_times(seed: int, days: float = DAYS) -> Plan:
    """Runs minutes, hours or up to three days apart."""
    gaps = tuple(_random_gaps(Random(f"{seed}/gaps"), days * 24, most=72))
    rest = _rest(sum(gaps) / 24)
    return Plan("at random times", seed, "filesystem", gaps, rest=rest, turn=1)


def hidden_fields(seed: int, days: float = DAYS) -> Plan:
    """Runs up to two days apart, against a control plane that hides fields and forgets deleted pods within days."""
    gaps = tuple(_random_gaps(Random(f"{seed}/gaps/hidden"), days * 24, most=48))
    return Plan("with fields hidden", seed, "duckdb", gaps, metrics="basic", turn=2, hides=True, rest=_rest(days))


def play(seed: int, days: float = DAYS) -> list[Goal]:
    """Play the three soaks in full, or over other than two weeks."""
    return [goal for plan in (hourly, random_times, hidden_fields) for goal in soak(plan(seed, days))]


def soak(plan: Plan, scratch: Path | None = None) -> list[Goal]:
    """Play one soak, tell of it day by day, and hold the end against the truth."""
    with TemporaryDirectory(prefix="soak-", dir=scratch) as folder, _scene(plan, Path(folder) / "data") as here:
        one = Soak(plan, here)
        one.play()
        verdict = one.judge()
    print("\n".join(verdict.said), flush=True)
    return [replace(goal, what=f"{plan.title}: {goal.what}") for goal in verdict.goals]


class Soak:
    """One soak as it is played."""

    def __init__(self, plan: Plan, here: Scene) -> None:
        self._plan, self._here = plan, here
        self._rng, self._weather = Random(f"{plan.seed}/{plan.title}"), Weather(plan.seed, plan.turn, hides=plan.hides)
        self._meddler = Meddler(here.simulator, Random(f"{plan.seed}/{plan.title}/deeds"), plan.meddling)
        self._log = Log()
        self._projects = sorted({pod.project_id for pod in here.world.truth()})
        self._since = here.clock.now() - timedelta(days=1)

    def play(self) -> None:
        """Run after run, and then the rest."""
        here, plan = self._here, self._plan
        here.simulator.on_request = self._meddler
        at, day = here.clock.now(), self._weather.day()
        today = at.date()
        upgrade_at = len(plan.gaps) // 2
        for number, gap in enumerate(plan.gaps):
            if number == upgrade_at:
                self._weather.upgrade()
                here.simulator.upgrade(NEW)
                here.api_version = OLD
            # Whoever runs it learns of the upgrade some time later.
            if number == min(upgrade_at + 3, len(plan.gaps) - 1):
                here.api_version = NEW
            if at.date() != today:
                today, day = at.date(), self._weather.day()
                self._tell(at)
            is_stormy = number > 0 and self._rng.random() < STORM_SHARE
            here.simulator.switches = self._weather.storm(day, self._projects) if is_stormy else day
            self._run(at, is_stormy=is_stormy)
            at += timedelta(hours=gap)
            here.clock.set(max(at, here.clock.now()))
        self._rest()

    def judge(self) -> Verdict:
        """Hold everything against the truth."""
        plan, here, log = self._plan, self._here, self._log
        verdict = Verdict(said=[f"-- {plan.title}, seed {plan.seed}, on {plan.destination}"])
        verdict.at_least("runs", len(log.results) + log.failures.total(), len(plan.gaps) + len(plan.rest))
        verdict.none("runs that failed though every fault would have passed", log.needless)
        verdict.none("runs that failed and were not made good", ["the last"] * log.in_a_row)
        self._judge_faults(verdict)
        verdict.none("warnings of counts after the rest", log.results[-1].reading.warnings)
        judge_pods(verdict, here, (OLD, NEW), log.looks)
        revived = self._meddler.revived
        unsure = self._hidden() | self._weather.broken(here.world)
        if plan.hides:
            judge_hidden(verdict, here, log.looks, unsure | revived)
        else:
            judge_gpu_seconds(verdict, here, log.looks, self._hidden() | revived, plan.resolution)
            judge_history(verdict, here, log.looks, unsure, revived)
        judge_cluster_pods(verdict, here, log.looks, unsure, revived)
        types = resolve(plan.metrics, version_of(NEW))
        nan_share = max(self._weather.seen["nan_samples"])
        spread = judge_samples(
            verdict,
            here,
            types,
            self._since,
            plan.resolution,
            offer=self._offer(),
            unsure=unsure | revived,
            is_withheld=self._is_withheld,
            nan_share=nan_share,
            is_dated=not plan.hides,
        )
        judge_accounts(verdict, here, log.results, log.failures.total())
        judge_rebuild(verdict, here)
        # The basic types have none.
        spreads = {"buckets and percentiles": spread} if plan.metrics == "all" else {}
        judge_events(verdict, sum(plan.gaps) / 24, len(plan.gaps), self._events() | spreads)
        requests = [result.requests for result in log.results]
        files = {stat.st_ino: stat.st_size for stat in (file.lstat() for file in here.data_dir.rglob("*"))}
        verdict.said += [
            f"   switches: {self._weather.told()}",
            f"   between requests: {dict(self._meddler.done.most_common())}",
            f"   failed: {log.failures.total()} ({dict(log.failures)}), healed {log.healed}",
            f"   warned of: {dict(log.findings.most_common())}",
            f"   requests per run: median {median(requests):.0f}; {sum(files.values()) / 1e6:.0f} MB on disk",
            f"   seconds per run: first day {median(log.seconds[:24]):.2f}, last day {median(log.seconds[-24:]):.2f}",
        ]
        return verdict

    def _judge_faults(self, verdict: Verdict) -> None:
        """Want that of the requests of runs without a storm as many were struck as chance strikes, whims aside."""
        asked, struck = self._log.requests, self._log.struck
        whims = 4 * math.sqrt(asked * FAULT_SHARE * (1 - FAULT_SHARE))
        verdict.goals.append(
            Goal(
                "requests that a fault struck, storms aside",
                f"{struck:,} of {asked:,}",
                f"{FAULT_SHARE:.0%}, within {whims:,.0f}",
                is_met=abs(struck - asked * FAULT_SHARE) <= whims and struck > 0,
            )
        )

    def _events(self) -> dict[str, int]:
        log, done = self._log, self._meddler.done
        events = {
            "births": done["a tie is born"] + done["a crowd is born"],
            "deaths": done["some finish"] + done["some are deleted"],
            "late syncs": done["late ones appear"],
            "lists of clusters' pods": sum(map(len, cluster_lists(self._here, log.looks).values())),
            "edits": done["one is edited"],
            "token expiries": done["tokens expire"],
            "requests repeated after a fault": sum(result.retries for result in log.results),
            "runs before the upgrade": log.versions[OLD],
            "runs after the upgrade": log.versions[NEW],
            "pods purged that were read before": sum(pod.purged_at is not None for pod in self._here.shown().values()),
        }
        # Of a few runs none may have met a storm.
        return events | ({"failed runs made good": log.healed} if len(self._plan.gaps) * STORM_SHARE > 5 else {})

    def _offer(self) -> Offer:
        """What the runs that went well could have, of what was never switched off."""
        seen = self._weather.seen
        off = {metric for metric, gauge in gauges().items() if gauge.is_advanced and False in seen["advanced_metrics"]}
        readings = [replace(reading, types=reading.types - off) for reading in self._log.readings]
        days = min((days for days in seen["metric_retention_days"] if days is not None), default=None)
        keeping = Keeping(of_deleted=False not in seen["metrics_of_deleted"], days=days)
        told_off = {
            (row["pod_id"], row["metric"])
            for row in self._here.rows("pod_metric_coverage")
            if row["status"] == "disabled" and CATALOGUE[row["metric"]].is_profiling
        }
        return Offer(self._here, readings, keeping, self._plan.resolution * SECOND, told_off)

    def _is_withheld(self, row: Row) -> bool:
        """Whether the control plane alone decided how much is lost of a row of `pod_metric_coverage`."""
        is_late = row["metric"] not in resolve(self._plan.metrics, version_of(OLD))
        return self._weather.withheld(row["status"], is_late=is_late)

    def _hidden(self) -> set[str]:
        """Pods that a run could not see for a while."""
        of_projects = {pod.id for pod in self._here.world.truth() if pod.project_id in self._weather.hidden_projects}
        return of_projects | self._meddler.hidden.keys()

    def _rest(self) -> None:
        here = self._here
        here.simulator.on_request = None
        here.simulator.switches = self._weather.calm()
        self._meddler.reveal()
        for hours in self._plan.rest:
            here.advance(hours=hours)
            self._run(here.clock.now(), is_stormy=False)

    def _run(self, at: datetime, *, is_stormy: bool) -> None:
        here, log, plan = self._here, self._log, self._plan
        began = time.perf_counter()
        # Whoever learns of the upgrade asks no more for what is gone with it.
        asks_clusters = {"SOURCES__RUNAI__CLUSTER_PODS": str(here.api_version != NEW)}
        self._meddler.begin()
        before = len(here.simulator.requests)
        try:
            with mock.patch.dict(os.environ, asks_clusters):
                result = here.run(metrics=plan.metrics, resolution=plan.resolution)
        except RunaiError as error:
            log.failures[type(error).__name__] += 1
            log.in_a_row += 1
            if not is_stormy:
                log.needless.append(f"{at:%d %b %H:%M}: {error}")
            return
        except Exception as error:
            error.add_note(f"{plan.title}, seed {plan.seed}, at {at}")
            raise
        finally:
            if not is_stormy and here.simulator.switches.faults:
                asked = here.simulator.requests[before:]
                log.struck += sum(seen.fault is not None for seen in asked)
                # Those refused because there were too many at once, no fault could strike.
                log.requests += sum(seen.fault is not None or seen.status != 429 for seen in asked)
        # What was purged before the first run was over, nobody could have.
        here.watched_since = here.watched_since or here.clock.now()
        log.healed += log.in_a_row
        log.in_a_row = 0
        log.seconds.append(time.perf_counter() - began)
        log.results.append(result)
        log.versions[here.simulator.contract.version] += 1
        types = resolve(plan.metrics, version_of(here.api_version or OLD))
        log.readings.append(Reading(at, here.clock.now(), frozenset(types)))
        log.findings.update(finding.name for finding in result.findings)

    def _tell(self, at: datetime) -> None:
        log = self._log
        last = log.results[-24:]
        print(
            f"   {self._plan.title} {at:%d %b}: {len(log.results)} runs, {log.failures.total()} failed, "
            f"{sum(one.requests for one in last)} requests, {sum(one.retries for one in last)} retries, "
            f"{sum(log.seconds[-24:]):.0f} s",
            flush=True,
        )


def _scene(plan: Plan, data_dir: Path) -> AbstractContextManager[Scene]:
    days = sum(plan.gaps) / 24
    config = WorldConfig(
        seed=plan.seed,
        pods=plan.pods,
        start=START,
        late_share=0.1,
        outages=outages(Random(f"{plan.seed}/outages"), START + AGE, days),
    )
    return scene(data_dir, plan.destination, config=config, version=OLD, after=AGE)


def _rest(days: float) -> tuple[float, ...]:
    """Let every day of the world have its turn: errors may cancel in the sum, so that nothing else finds them.

    Newest days more often would find most of them sooner, and the others later: the requests of a run are few.
    """
    turns = math.ceil((AGE.days + days + 3) / ROTATION_DAYS)
    return (*Plan.rest, *(1.0,) * turns)


def _random_gaps(rng: Random, hours: float, most: float) -> Iterator[float]:
    while hours > 0:
        gap = most * rng.random() ** 3
        yield gap
        hours -= gap
