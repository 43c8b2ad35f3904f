"""A soak's tables against the truth, as figures, with the first few differences of each kind."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isclose
from pathlib import Path
from typing import Any, Final

import duckdb

from bench.rounds import Goal
from pipelines.run import RunResult, rebuild
from simulator import World
from simulator.instants import micros
from simulator.world.metrics import gauges
from tests.behaviour.lives import Life, lives
from tests.behaviour.samples import (
    hour_differences,
    odd_histograms,
    odd_samples,
    true_histograms,
    true_samples,
)
from tests.behaviour.scene import Scene
from tests.behaviour.usage import charge_differences, usage_differences
from tests.trust.seen_past import (
    Look,
    cluster_pod_differences,
    count_differences,
    history_differences,
    run_differences,
)
from tests.trust.shown_pods import manners, pod_differences, resource_differences
from transforms.sql import literal

_SHOWN: Final = 5
# Children of a pod, and the columns that its payload alone decides.
_CHILDREN: Final = {
    "pod_containers": ("pod_id", "container_index", "container_name", "image"),
    "pod_tolerations": ("pod_id", "toleration_index", "key", "operator", "value", "effect"),
    "pod_node_pools": ("pod_id", "pool_index", "node_pool"),
}
# What else of the published tables is held against the truth.
_JUDGED: Final = {
    *("pods", "pod_resources", "pod_history", "pod_lifecycle", "gpu_usage_daily", "focus_usage", "cluster_pods"),
    *("pod_metrics", "pod_metrics_hourly", "pod_metric_histograms", "pod_metric_coverage", "pod_counts", "runs"),
}
REBUILT_ALONE: Final = {
    "pod_efficiency": "what counts as waste is a matter of thresholds: the tests of the marts plant its cases",
    "metric_catalogue": "a list of ours; the range observed in it is that of the samples, which are held one by one",
}
"""Tables held only against what a rebuild makes of the same raw tables, and why."""
# A soak has to be so many days long before it must have had such an event.
_EVENT_DAYS: Final = {
    "births": 1.0,
    "deaths": 1.0,
    "requests repeated after a fault": 1.0,
    "runs before the upgrade": 1.0,
    "runs after the upgrade": 1.0,
    "late syncs": 5.0,
    "edits": 5.0,
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


def judge_pods(verdict: Verdict, here: Scene, versions: Sequence[str]) -> None:
    """Every pod that the control plane ever showed, in its last state, with its children, as one version showed it."""
    truth, published = here.shown(), here.pods()
    known = manners(here, versions)
    found = pod_differences(here, known)
    verdict.at_least("pods in the truth", len(truth), 1)
    verdict.none("pods missing", [said for said in found if said.endswith(": lost")])
    verdict.none("columns of pods that are wrong", [said for said in found if not said.endswith(": lost")])
    verdict.none("pods made up", sorted(published.keys() - {pod.id for pod in here.world.truth()}))
    verdict.none("pods whose resources are wrong", resource_differences(here, known))
    true_children = {table: set[tuple[Any, ...]]() for table in _CHILDREN}
    for pod_id, pod in truth.items():
        payload = pod.payload()
        names = ("key", "operator", "value", "effect")
        rows = {
            "pod_containers": [(one["name"], one["image"]) for one in payload["containers"]],
            "pod_tolerations": [tuple(one[name] for name in names) for one in payload["tolerations"]],
            "pod_node_pools": [(name,) for name in payload["requestedNodePools"]],
        }
        for table, children in rows.items():
            true_children[table] |= {(pod_id, place, *child) for place, child in enumerate(children)}
    for table, columns in _CHILDREN.items():
        told = {tuple(row[name] for name in columns) for row in here.rows(table) if row["pod_id"] in truth}
        verdict.none(f"{table} that differ", [str(row) for row in told ^ true_children[table]])


def judge_gpu_seconds(verdict: Verdict, here: Scene, looks: list[Look], unsure: set[str]) -> None:
    """Waits, runs and GPU-seconds of every pod, whether its allocation was seen or is told as unseen.

    Of the pods in `unsure` nobody can say whether one of the looks had to see them run.
    """
    published = {row["pod_id"]: row for row in here.rows("pod_lifecycle")}
    off, unseen, total = [], [], 0.0
    for life in lives(here):
        row = published.get(life.pod.id)
        if row is None:
            continue
        # What was allocated, and what was not seen as allocated, are together all that it held.
        lacking = row["unseen_seconds"] or 0.0
        seconds = (row["allocated_gpu_seconds"] or 0.0) + float(life.gpus) * lacking
        total += seconds
        wanted = {"wait_seconds": life.wait_seconds(), "run_seconds": life.run_seconds(), "end_reason": life.end_reason}
        off += [f"{life.pod.id}.{name}: {row[name]}, not {was}" for name, was in wanted.items() if row[name] != was]
        if not isclose(seconds, life.gpu_seconds() or 0.0, rel_tol=1e-12, abs_tol=1e-6):
            off.append(f"{life.pod.id}: {seconds} GPU-seconds, not {life.gpu_seconds()}")
        if lacking and life.pod.id not in unsure and any(_sees_running(here.world, life, look) for look in looks):
            unseen.append(f"{life.pod.id}: {lacking} s of {life.run_seconds()} s")
    verdict.at_least("GPU-hours in the truth", int(total / 3600), 1)
    verdict.none("waits, runs and GPU-seconds that are wrong", off)
    verdict.none("allocations unseen though a run looked", unseen)
    if here.simulator.switches.keeps_allocation:
        verdict.none("days of GPU usage that are wrong", usage_differences(here))
        verdict.none("charges that are wrong", charge_differences(here))


def _sees_running(world: World, life: Life, look: Look) -> bool:
    if life.started is None:
        return False
    begin, end = (micros(instant) for instant in look)
    known_from = max(life.pod.visible, life.pod.started)
    return known_from <= begin and end <= life.pod.stopped and world.reported(life.pod, begin) >= life.pod.started


def judge_samples(
    verdict: Verdict, here: Scene, types: Sequence[str], since: datetime, resolution: int, *, forgets: bool
) -> None:
    """Every sample that the control plane ever had, or a reason why not.

    One that forgets gives no samples of deleted pods: how many these are depends on who was deleted when, so that
    nothing but their reason can be wanted.
    """
    series, histograms = ([name for name in types if gauges()[name].is_histogram is kind] for kind in (False, True))
    truth = true_samples(here, since, here.clock.now(), series, resolution)
    buckets = true_histograms(here, since, here.clock.now(), histograms, resolution)
    odd = odd_samples(here, truth) + odd_histograms(here, buckets)
    coverage = {(row["pod_id"], row["metric"]): row for row in here.rows("pod_metric_coverage")}
    lost, in_all = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for one in odd:
        if one.what == "lost":
            key = (one.pod_id, one.metric)
            lost[key] = max(lost[key], one.samples)
            in_all[key] += one.samples
    told = Counter[str]()
    untold = []
    for key, samples in lost.items():
        row = coverage.get(key)
        lacking = row["wanted_seconds"] - row["covered_seconds"] if row and row["reason"] else 0
        # A step at either end is rarely whole, and of a pod that was started again the API gives its last start alone.
        if row and row["reason"] and (lacking >= (samples - 2) * resolution or not row["covered_seconds"]):
            told[row["status"]] += in_all[key]
        else:
            untold += [f"{one}, {lacking} s told of, {row and row['status']}" for one in odd if one[:2] == key]
    in_truth = truth.num_rows + buckets.num_rows
    verdict.at_least("samples in the truth", in_truth, 1_000)
    verdict.none("series with samples lost and no reason told", untold)
    verdict.none("series with samples made up, repeated or wrong", [str(one) for one in odd if one.what != "lost"])
    exempt = told["not_found"] if forgets else 0
    verdict.none("hours that are not what their samples come to", hour_differences(here, truth))
    share = (told.total() - exempt) / max(in_truth, 1)
    by_reason = ", ".join(f"{samples:,} {status}" for status, samples in told.most_common()) or "none"
    wanted = "< 2 %, not_found apart" if forgets else "< 2 %"
    found = f"{by_reason}, of {in_truth:,}: {share:.3%}"
    verdict.goals.append(Goal("samples lost, by the reason told", found, wanted, share < 0.02))
    final = Counter(": ".join(filter(None, (row["status"], row["reason"]))) for row in coverage.values())
    verdict.said.append(f"   coverage: {dict(final.most_common())}")
    verdict.said.append(f"   histograms: {buckets.num_rows:,} buckets and percentiles in the truth")


def judge_past(verdict: Verdict, here: Scene, looks: Sequence[Look], unsure: set[str]) -> None:
    """What was seen when; of the pods in `unsure` nobody can say which looks saw them."""
    verdict.none("stretches of history that were not so, or were not told", history_differences(here, looks, unsure))
    verdict.none("rows of cluster_pods that never were so", cluster_pod_differences(here))


def judge_accounts(verdict: Verdict, here: Scene, results: Sequence[RunResult], failed: int) -> None:
    """What the runs gave account of, and that no table is left without a judge or a reason."""
    verdict.none("runs without their own account", run_differences(here, results, failed))
    verdict.none("last counts that are not the number of pods", count_differences(here))
    tables = published_tables(here)
    verdict.none("tables held against no truth", sorted(tables - _JUDGED - _CHILDREN.keys() - REBUILT_ALONE.keys()))
    verdict.said += [f"   held against its rebuild alone: {table}: {why}" for table, why in REBUILT_ALONE.items()]


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
    shutil.copytree(here.data_dir, copy, symlinks=True)
    rebuild(here.settings(copy))
    verdict.none("rows that differ after a rebuild", row_differences(here.data_dir, copy))
    shutil.rmtree(copy)


def row_differences(left: Path, right: Path) -> list[str]:
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
