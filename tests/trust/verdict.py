"""A soak's tables against the truth, as figures, with the first few differences of each kind."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from bench.rounds import Goal
from pipelines.run import RunResult, rebuild
from simulator import World
from simulator.instants import micros, moment
from simulator.world.metrics import gauges
from tests.behaviour.columns import Row, row_differences
from tests.behaviour.lives import Life, lives
from tests.behaviour.samples import (
    Odd,
    hour_differences,
    label_differences,
    odd_histograms,
    odd_samples,
    true_histograms,
    true_samples,
)
from tests.behaviour.scene import Scene
from tests.behaviour.usage import charge_differences, usage_differences
from tests.trust.covered import Key, coverage_differences
from tests.trust.had import Offer, lost_instants
from tests.trust.hidden import life_differences
from tests.trust.seen_past import (
    OF_RUNS,
    Look,
    cluster_pod_differences,
    count_differences,
    history_differences,
    run_differences,
)
from tests.trust.shown_pods import OF_PODS, child_differences, pod_differences, resource_differences, views
from transforms.sql import literal

_SHOWN: Final = 5
# What of the published tables is held against the truth.
_JUDGED: Final = {
    *("pod_containers", "pod_tolerations", "pod_node_pools"),
    *("pods", "pod_resources", "pod_history", "pod_lifecycle", "gpu_usage_daily", "focus_usage", "cluster_pods"),
    *("pod_metrics", "pod_metrics_hourly", "pod_metric_histograms", "pod_metric_coverage", "pod_counts", "runs"),
}
REBUILT_ALONE: Final = {
    "pod_efficiency": "what counts as waste is a matter of thresholds: the tests of the marts plant its cases",
    "metric_catalogue": "a list of ours; the range observed in it is that of the samples, which are held one by one",
}
"""Tables held only against what a rebuild makes of the same raw tables, and why."""
NOT_COMPARED: Final = {"pods": OF_PODS, "runs": OF_RUNS}
"""Columns of the other tables that are held against no truth, and why."""
# A soak has to be so many days long before it must have had such an event.
_EVENT_DAYS: Final = {
    "births": 1.0,
    "deaths": 1.0,
    "lists of clusters' pods": 1.0,
    "requests repeated after a fault": 1.0,
    "runs before the upgrade": 1.0,
    "runs after the upgrade": 1.0,
    "late syncs": 5.0,
    "edits": 5.0,
    "buckets and percentiles": 5.0,
    "token expiries": 5.0,
    "pods purged that were read before": 5.0,
    "failed runs made good": 5.0,
}


@dataclass
class Verdict:
    """Goals, and what to print beside them."""

    goals: list[Goal] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def none(self, what: str, found: list[str]) -> None:
        """Want no difference of a kind; the first few are told."""
        self.goals.append(Goal(what, f"{len(found):,}", "0", is_met=not found))
        self.said += [f"   {what}: {one}" for one in sorted(found)[:_SHOWN]]

    def at_least(self, what: str, found: int, wanted: int) -> None:
        """Want so many, so that nothing is proven by an empty world."""
        self.goals.append(Goal(what, f"{found:,}", f">= {wanted:,}", is_met=found >= wanted))


def judge_pods(verdict: Verdict, here: Scene, versions: Sequence[str], looks: Sequence[Look]) -> None:
    """Every pod that the control plane ever showed, in its last state, with its children, as one version showed it."""
    truth, published = here.shown(), here.pods()
    known = views(here, versions)
    found = pod_differences(here, known, looks)
    verdict.at_least("pods in the truth", len(truth), 1)
    verdict.none("pods missing", [said for said in found if said.endswith(": lost")])
    verdict.none("columns of pods that are wrong", [said for said in found if not said.endswith(": lost")])
    verdict.none("pods made up", sorted(published.keys() - {pod.id for pod in here.world.truth()}))
    verdict.none("pods whose resources are wrong", resource_differences(here, known))
    for table, differ in child_differences(here, known).items():
        verdict.none(f"{table} that differ", differ)


def judge_gpu_seconds(verdict: Verdict, here: Scene, looks: list[Look], unsure: set[str], resolution: int) -> None:
    """Waits, runs and GPU-seconds of every pod, whether its allocation was seen or is told as unseen.

    Of the pods in `unsure` nobody can say whether one of the looks had to see them run.
    """
    total = sum(life.gpu_seconds() or 0.0 for life in lives(here))
    verdict.at_least("GPU-hours in the truth", int(total / 3600), 1)
    verdict.none("waits, runs and GPU-seconds that are wrong", gpu_second_differences(here))
    unseen = {row["pod_id"]: row["unseen_seconds"] for row in here.rows("pod_lifecycle")}
    verdict.none(
        "allocations unseen though a run looked",
        [
            f"{life.pod.id}: {unseen[life.pod.id]} s of {life.run_seconds()} s"
            for life in lives(here)
            if unseen.get(life.pod.id) and life.pod.id not in unsure
            if any(_sees_running(here.world, life, look) for look in looks)
        ],
    )
    if here.simulator.switches.keeps_allocation:
        verdict.none("days of GPU usage that are wrong", usage_differences(here, resolution=resolution))
        verdict.none("charges that are wrong", charge_differences(here))


def gpu_second_differences(here: Scene) -> list[str]:
    """Say which columns of `pod_lifecycle` are wrong.

    What was allocated, and what was not seen as allocated, are together all that the pod held.
    """
    told, wanted = {row["pod_id"]: row for row in here.rows("pod_lifecycle")}, {}
    for life in lives(here):
        ran, asked = life.run_seconds(), life.pod.workload.request.gpu
        most = 0.0 if here.simulator.switches.keeps_allocation else ran or 0.0
        unseen = min(max(told.get(life.pod.id, {}).get("unseen_seconds") or 0.0, 0.0), most)
        held = None if ran is None or unseen == ran else float(life.gpus) * (ran - unseen)
        wanted[life.pod.id] = {
            "pod_id": life.pod.id,
            "wait_seconds": life.wait_seconds(),
            "run_seconds": ran,
            "requested_gpu_seconds": None if ran is None or asked is None else ran * asked,
            "allocated_gpu_seconds": held,
            "end_reason": life.end_reason,
            "ended_at": None if life.ended is None else moment(life.ended),
            "unseen_seconds": None if ran is None else unseen,
        }
    return row_differences({pod_id: row for pod_id, row in told.items() if pod_id in wanted}, wanted)


def _sees_running(world: World, life: Life, look: Look) -> bool:
    if life.started is None:
        return False
    begin, end = (micros(instant) for instant in look)
    known_from = max(life.pod.visible, life.pod.started)
    return known_from <= begin and end <= life.pod.stopped and world.reported(life.pod, begin) >= life.pod.started


def judge_samples(
    verdict: Verdict,
    here: Scene,
    types: Sequence[str],
    since: datetime,
    resolution: int,
    *,
    offer: Offer,
    unsure: Collection[str],
    is_withheld: Callable[[Row], bool],
    nan_share: float,
    is_dated: bool = True,
) -> int:
    """Every sample that the control plane ever had, or a reason why not; returns how many are of distributions.

    Of a pod and metric that are withheld, how much is lost depends on who was deleted when, or on when the control
    plane was asked first, so that no more can be wanted than its reason, and that nobody could have it. Of the pods in
    `unsure` nobody can say when the control plane knew them. Unless all is dated, nobody can say which samples a run
    had to want, or that a pod had a GPU: what came must be so, and of what did not, the reason told.
    """
    series, histograms = ([name for name in types if gauges()[name].is_histogram is kind] for kind in (False, True))
    truth = true_samples(here, since, here.clock.now(), series, resolution)
    buckets = true_histograms(here, since, here.clock.now(), histograms, resolution)
    odd = odd_samples(here, truth) + odd_histograms(here, buckets)
    coverage = {(row["pod_id"], row["metric"]): row for row in here.rows("pod_metric_coverage")}
    lost, in_all = most_lost(odd), Counter[Key]()
    for one in odd:
        if one.what == "lost":
            in_all[one.pod_id, one.metric] += one.samples
    told, withheld = Counter[str](), 0
    untold = []
    for key, samples in lost.items():
        row = coverage.get(key)
        lacking = row["wanted_seconds"] - row["covered_seconds"] if row and row["reason"] else 0
        # A step at either end is rarely whole, and of a pod that was started again the API gives its last start alone.
        if row and row["reason"] and (lacking >= (samples - 2) * resolution or not row["covered_seconds"]):
            told[row["status"]] += in_all[key]
            withheld += in_all[key] if is_withheld(row) else 0
        else:
            untold += [f"{one}, {lacking} s told of, {row and row['status']}" for one in odd if one[:2] == key]
    in_truth = truth.num_rows + buckets.num_rows
    verdict.at_least("samples in the truth", in_truth, 1_000)
    verdict.none("series with samples lost and no reason told", untold)
    verdict.none("texts and labels of samples that were not given", label_differences(here, nan_share))
    verdict.none("series with samples made up, repeated or wrong", [str(one) for one in odd if one.what != "lost"])
    if not is_dated:
        return int(buckets.num_rows)
    avoidable = offer.avoidable_losses(lost_instants(here, truth, buckets), unsure)
    verdict.none("series with samples lost that were given, or that no run asked for when it could", avoidable)
    verdict.none("rows of coverage that are not so", coverage_differences(here, types, since, resolution, lost))
    verdict.none("hours that are not what their samples come to", hour_differences(here, truth))
    share = (told.total() - withheld) / max(in_truth, 1)
    by_reason = ", ".join(f"{samples:,} {status}" for status, samples in told.most_common()) or "none"
    wanted = "< 2 %, apart from what is withheld"
    found = f"{by_reason}, of {in_truth:,}: {share:.3%} apart from {withheld:,} withheld"
    verdict.goals.append(Goal("samples lost, by the reason told", found, wanted, share < 0.02))
    final = Counter(": ".join(filter(None, (row["status"], row["reason"]))) for row in coverage.values())
    verdict.said.append(f"   coverage: {dict(final.most_common())}")
    return int(buckets.num_rows)


def most_lost(odd: Iterable[Odd]) -> Counter[Key]:
    """How many samples of the truth lack, by pod and metric, in the series that lacks most."""
    lost = Counter[Key]()
    for one in odd:
        if one.what == "lost":
            lost[one.pod_id, one.metric] = max(lost[one.pod_id, one.metric], one.samples)
    return lost


def judge_history(verdict: Verdict, here: Scene, looks: Sequence[Look], unsure: set[str], revived: set[str]) -> None:
    """What was seen when: not of `revived` pods, and of those in `unsure` nobody can say which looks saw them."""
    differ = history_differences(here, looks, unsure, revived)
    verdict.none("stretches of history that were not so, or were not told", differ)


def judge_cluster_pods(
    verdict: Verdict, here: Scene, looks: Sequence[Look], unsure: set[str], revived: set[str]
) -> None:
    """Likewise what the deprecated lists told of."""
    verdict.none("rows of cluster_pods that never were so", cluster_pod_differences(here, looks, unsure, revived))


def judge_hidden(verdict: Verdict, here: Scene, looks: Sequence[Look], unsure: set[str]) -> None:
    """What follows from fields of which some are hidden for good.

    The other tables that follow from them are held against their rebuild alone: a history without its instants is what
    each look saw, and a charge without its project is nobody's.
    """
    differ = life_differences(here, looks, unsure)
    verdict.none("waits, runs and GPU-seconds that do not follow from what was shown", differ)


def judge_accounts(verdict: Verdict, here: Scene, results: Sequence[RunResult], failed: int) -> None:
    """What the runs gave account of, and that no table is left without a judge or a reason."""
    verdict.none("runs without their own account", run_differences(here, results, failed))
    verdict.none("last counts that are not the number of pods", count_differences(here))
    tables = published_tables(here)
    verdict.none("tables held against no truth", sorted(tables - _JUDGED - REBUILT_ALONE.keys()))
    verdict.said += [f"   held against its rebuild alone: {table}: {why}" for table, why in REBUILT_ALONE.items()]
    verdict.said += [
        f"   not compared: {table}.{column}: {why}"
        for table, columns in NOT_COMPARED.items()
        for column, why in columns.items()
    ]


def published_tables(here: Scene) -> set[str]:
    """The names of what is published, views too."""
    with duckdb.connect(str(here.data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        return {name for (name,) in con.execute("select table_name from information_schema.tables").fetchall()}


def judge_events(verdict: Verdict, days: float, runs: int, events: Mapping[str, int]) -> None:
    """Want that everything happened that a soak of so many days must have had; with few runs a day it counts less."""
    length = min(days, runs / 3)
    for what, number in events.items():
        verdict.at_least(what, number, int(length >= _EVENT_DAYS[what]))


def judge_rebuild(verdict: Verdict, here: Scene) -> None:
    """What many runs made, row for row, against what one `rebuild` makes of the same raw tables."""
    copy = here.data_dir.with_name(f"{here.data_dir.name}-rebuilt")
    # What is published would come along once for each run of the last day.
    shutil.copytree(here.data_dir, copy, symlinks=True, ignore=shutil.ignore_patterns("generations", "published"))
    rebuild(here.settings(copy))
    verdict.none("rows that differ after a rebuild", rebuild_differences(here.data_dir, copy))
    shutil.rmtree(copy)


def rebuild_differences(left: Path, right: Path) -> list[str]:
    """Rows of published tables that only one of two data directories has."""
    found = []
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        for name, data_dir in (("l", left), ("r", right)):
            database = (data_dir / "published").resolve() / "runai.duckdb"
            con.execute(f"attach {literal(database)} as {name} (read_only)")
        tables = con.execute("select table_name from duckdb_tables() where database_name = 'l'").fetchall()
        views = con.execute(
            "select view_name from duckdb_views() where database_name = 'l' and not internal"
        ).fetchall()
        for (table,) in [*tables, *views]:
            for one, other in (("l", "r"), ("r", "l")):
                rows = con.execute(f"select * from {one}.{table} except all select * from {other}.{table}").fetchall()
                found += [f"{table} only {'before' if one == 'l' else 'after'}: {row}" for row in rows]
    return found
