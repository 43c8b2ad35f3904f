"""The verdict on a soak has nothing to say of a true warehouse, and something of every one that was tampered with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipelines.run import RunResult
from simulator import Switches, WorldConfig
from simulator.world.config import Outage
from sources.runai.catalogue import BASIC
from tests.behaviour.samples import (
    hour_differences,
    label_differences,
    odd_histograms,
    odd_samples,
    true_histograms,
    true_samples,
)
from tests.behaviour.scene import START, Scene, scene
from tests.behaviour.test_nim import start_pod
from tests.behaviour.usage import charge_differences, usage_differences
from tests.trust.blows import HISTOGRAMS
from tests.trust.covered import coverage_differences
from tests.trust.seen_past import (
    Look,
    cluster_pod_differences,
    count_differences,
    history_differences,
    run_differences,
)
from tests.trust.shown_pods import child_differences, pod_differences, resource_differences, views
from tests.trust.verdict import (
    NOT_COMPARED,
    REBUILT_ALONE,
    Verdict,
    gpu_second_differences,
    judge_accounts,
    judge_events,
    most_lost,
    published_tables,
)

RESOLUTION = 300
KEEPS = Switches(keeps_allocation=True)


@dataclass
class Played:
    """A scene after two runs, one of them before an upgrade."""

    here: Scene
    since: datetime
    looks: list[Look]
    results: list[RunResult]
    # The true ones.
    samples: pa.Table = None
    histograms: pa.Table = None

    def run(self, metrics: tuple[str, ...]) -> None:
        """Run once more."""
        begin = self.here.clock.now()
        self.results.append(self.here.run(metrics=metrics, resolution=RESOLUTION))
        self.looks.append((begin, self.here.clock.now()))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    config = WorldConfig(pods=40, start=START)
    with (
        pytest.MonkeyPatch.context() as patch,
        scene(tmp_path_factory.mktemp("verdict") / "data", config=config, switches=KEEPS) as here,
    ):
        patch.setenv("SOURCES__RUNAI__CLUSTER_PODS", "true")
        one = Played(here, here.clock.now() - timedelta(days=1), [], [])
        start_pod(here, "training", "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.3.3")
        # They wait on their nodes, one while the first run looks, and one while the last does.
        now = here.clock.now()
        created = now - timedelta(minutes=5)
        here.world.add(created_at=created, scheduled_at=now, started_at=now + timedelta(minutes=50))
        here.world.add(
            created_at=created, scheduled_at=now + timedelta(minutes=50), started_at=now + timedelta(hours=5)
        )
        here.advance(minutes=1)
        one.run(BASIC)
        patch.setenv("SOURCES__RUNAI__CLUSTER_PODS", "false")
        here.simulator.upgrade("2.24")
        here.advance(minutes=90)
        here.simulator.switches = replace(KEEPS, advanced_metrics=True)
        one.run((*BASIC, *HISTOGRAMS))
        stretch = here, one.since, here.clock.now()
        one.samples = true_samples(*stretch, BASIC, RESOLUTION)
        one.histograms = true_histograms(*stretch, HISTOGRAMS, RESOLUTION)
        yield one


def copied(here: Scene, data_dir: Path) -> Scene:
    """The scene with a database of its own, whose views show the same Parquet files."""
    (data_dir / "published").mkdir(exist_ok=True)
    shutil.copy(here.data_dir / "published" / "runai.duckdb", data_dir / "published")
    return replace(here, data_dir=data_dir)


def _children(one: Played, table: str) -> list[str]:
    return child_differences(one.here, views(one.here, ("2.21", "2.24")))[table]


def _samples(one: Played) -> list[str]:
    said = [str(odd) for odd in odd_samples(one.here, one.samples)]
    return said + label_differences(one.here, 0.0)


def _histograms(one: Played) -> list[str]:
    said = [str(odd) for odd in odd_histograms(one.here, one.histograms)]
    return said + label_differences(one.here, 0.0)


def _hours(one: Played) -> list[str]:
    return hour_differences(one.here, one.samples) + label_differences(one.here, 0.0)


def _coverage(one: Played) -> list[str]:
    lost = most_lost(odd_samples(one.here, one.samples) + odd_histograms(one.here, one.histograms))
    return coverage_differences(one.here, (*BASIC, *HISTOGRAMS), one.since, RESOLUTION, lost)


JUDGES: dict[str, Callable[[Played], list[str]]] = {
    "pods": lambda one: pod_differences(one.here, views(one.here, ("2.21", "2.24")), one.looks),
    "pod_resources": lambda one: resource_differences(one.here, views(one.here, ("2.21", "2.24"))),
    "pod_containers": partial(_children, table="pod_containers"),
    "pod_tolerations": partial(_children, table="pod_tolerations"),
    "pod_node_pools": partial(_children, table="pod_node_pools"),
    "pod_history": lambda one: history_differences(one.here, one.looks, set()),
    "pod_lifecycle": lambda one: gpu_second_differences(one.here),
    "gpu_usage_daily": lambda one: usage_differences(one.here, resolution=RESOLUTION),
    "focus_usage": lambda one: charge_differences(one.here),
    "cluster_pods": lambda one: cluster_pod_differences(one.here, one.looks, set()),
    "runs": lambda one: run_differences(one.here, one.results, 0),
    "pod_counts": lambda one: count_differences(one.here),
    "pod_metrics": _samples,
    "pod_metrics_hourly": _hours,
    "pod_metric_histograms": _histograms,
    "pod_metric_coverage": _coverage,
}
_RUNNING = "phase = 'Running' and allocated_gpu > 0 and not is_deleted"
_ONE_RUNS = f"where pod_id = (select min(pod_id) from pods where {_RUNNING})"
_AS_CREATED = """
phase = 'Pending', status = 'Pending', node_id = null, node_pool = null, started_at = null,
last_updated_at = created_at, resource_allocation = '{}'
"""
_IN_PART = "'the control plane has samples of a part only'"
_GONE = "'the control plane no longer knows the pod'"
# A table, and what somebody does to it; of what is a view over Parquet the columns are replaced.
TAMPERED = (
    *(
        ("pods", f"update pods set {column} = {value} {_ONE_RUNS}")
        for column, value in {
            "node_name": "null",
            "node_pool": "'another'",
            "project_name": "null",
            "workload_name": "null",
            "pod_ip": "null",
            "started_at": "started_at + interval 1 millisecond",
            "phase_updated_at": "phase_updated_at + interval 1 millisecond",
            "updated_at": "updated_at - interval 1 second",
            "allocated_gpu": "null",
            "requested_gpu": "2 * requested_gpu",
            "requested_cpu_memory_bytes": "requested_cpu_memory_bytes + 1",
            "is_reachable": "false",
            "last_observed_at": "last_observed_at + interval 1 hour",
            "node_affinity": """'{"required": 1}'""",
        }.items()
    ),
    ("pods", "delete from pods where pod_id = (select min(pod_id) from pods where is_deleted)"),
    ("pod_resources", "update pod_resources set request_limit = requested + 1 where resource = 'cpu'"),
    ("pod_resources", "update pod_resources set unit = 'bytes' where resource = 'gpu'"),
    ("pod_resources", f"delete from pod_resources {_ONE_RUNS} and resource = 'gpu_memory'"),
    ("pod_history", f"update pod_history set node_name = null, node_pool = null {_ONE_RUNS}"),
    ("pod_history", f"update pod_history set phase = 'Pending' {_ONE_RUNS}"),
    ("pod_history", "update pod_history set allocated_gpu = 2 * allocated_gpu where is_current"),
    ("pod_history", "update pod_history set valid_from = valid_from + interval 1 second where phase = 'Running'"),
    ("pod_history", "delete from pod_history where is_current"),
    ("cluster_pods", "update cluster_pods set started_at = started_at + interval 1 second"),
    ("runs", "update runs set requests = requests - 1"),
    ("runs", "delete from runs where as_of = (select max(as_of) from runs)"),
    ("pod_counts", "update pod_counts set api_count = api_count + 1, warehouse_count = warehouse_count + 1"),
    ("pod_metrics_hourly", "* replace (hour_at + interval 1 hour as hour_at)"),
    ("pod_metric_histograms", "* replace ('another' as bucket)"),
    ("pod_metric_coverage", "delete from pod_metric_coverage"),
    ("pod_metric_coverage", "delete from pod_metric_coverage where status = 'not_applicable'"),
    *(
        ("pod_metric_coverage", f"* replace ({deed})")
        for deed in (
            "'failed' as status, 'made up' as reason, 0 as covered_seconds, 0 as coverage",
            "if(status = 'empty', 'made up', reason) as reason",
            f"replace(status, 'ok', 'partial') as status, if(status = 'ok', {_IN_PART}, reason) as reason",
            "replace(status, 'empty', 'ok') as status, if(status <> 'empty', reason, null) as reason",
            f"replace(status, 'empty', 'not_found') as status, if(status = 'empty', {_GONE}, reason) as reason",
            "if(status = 'ok', wanted_seconds, covered_seconds) as covered_seconds",
        )
    ),
    ("gpu_usage_daily", "update gpu_usage_daily set used_gpu_hours = idle_gpu_hours, idle_gpu_hours = used_gpu_hours"),
    ("gpu_usage_daily", "update gpu_usage_daily set unknown_gpu_hours = 0, idle_gpu_hours = allocated_gpu_hours"),
    ("focus_usage", "update focus_usage set ConsumedQuantity = 2 * ConsumedQuantity"),
    ("focus_usage", "update focus_usage set ChargePeriodEnd = BillingPeriodEnd"),
    ("focus_usage", "update focus_usage set BilledCost = 1"),
    ("cluster_pods", "delete from cluster_pods where pod_id = (select min(pod_id) from cluster_pods)"),
    ("cluster_pods", f"update cluster_pods set {_AS_CREATED} where phase = 'Running'"),
    *(
        ("pod_history", f"update pod_history set {column} = null{rest}")
        for column, rest in {
            "allocated_gpu": ", allocated_cpu_cores = null, allocated_cpu_memory_bytes = null",
            "allocated_cpu_memory_bytes": "",
        }.items()
    ),
    ("pod_history", "update pod_history set is_inferred = not is_inferred where is_current"),
    ("pod_lifecycle", "delete from pod_lifecycle where pod_id = (select min(pod_id) from pod_lifecycle)"),
    ("pod_lifecycle", "update pod_lifecycle set unseen_seconds = run_seconds"),
    ("pod_containers", "update pod_containers set started_at = started_at + interval 1 second"),
    ("pod_containers", "update pod_containers set image_tag = null"),
    ("pod_tolerations", "update pod_tolerations set toleration_seconds = null"),
    ("pod_node_pools", "update pod_node_pools set is_current = not is_current"),
)
# Columns of which some tables make their keys.
_KEYS = {
    *("pod_id", "metric", "gpu", "sampled_at", "hour_at", "bucket", "resource", "is_extended", "run_id"),
    *("container_index", "toleration_index", "pool_index", "day", "cluster_id", "project_id", "node_pool"),
    *("ResourceId", "x_ChargeDate", "x_NodePoolName", "SkuId"),
}
# What is something else than a value, by its type; of numbers it is one more.
_OTHER = {
    "VARCHAR": "'another'",
    "JSON": """'{"another": 1}'""",
    "BOOLEAN": "not coalesce({column}, false)",
    "TIMESTAMP WITH TIME ZONE": "coalesce({column}, timestamptz '2026-01-01 00:00:00+00') + interval 1 hour",
    "DATE": "{column} + 1",
}


@pytest.mark.parametrize("table", JUDGES)
def test_of_a_true_warehouse_there_is_nothing_to_say(played: Played, table: str) -> None:
    assert played.here.rows(table)
    assert JUDGES[table](played)[:3] == []


@pytest.mark.parametrize(("table", "deed"), TAMPERED, ids=lambda said: said[:40].rstrip())
def test_what_was_tampered_with_is_told(played: Played, tmp_path: Path, table: str, deed: str) -> None:
    assert _told_after(played, tmp_path, table, deed)


@pytest.mark.parametrize("table", JUDGES)
def test_every_column_is_judged_or_listed_with_a_reason(played: Played, tmp_path: Path, table: str) -> None:
    with duckdb.connect(str(played.here.data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        types = con.execute(f"select column_name, column_type from (describe {table})").fetchall()
    others = {
        column: f"{_OTHER.get(kind, 'coalesce({column}, 0) + 1').replace('{column}', column)} as {column}"
        for column, kind in types
        if column not in NOT_COMPARED.get(table, {})
    }
    at_once = ", ".join(other for column, other in others.items() if column not in _KEYS)
    said = "\n".join(_told_after(played, tmp_path, table, f"* replace ({at_once})"))
    # Few are not named by their judge, and rows that are lost or made up have no columns.
    assert [
        column
        for column, other in others.items()
        if f".{column}: " not in said and not _told_after(played, tmp_path, table, f"* replace ({other})")
    ] == []


def _told_after(played: Played, tmp_path: Path, table: str, deed: str) -> list[str]:
    """What the judge of a table says after a deed; a star replaces columns, of what is a view over Parquet too."""
    here = copied(played.here, tmp_path)
    with duckdb.connect(str(tmp_path / "published" / "runai.duckdb")) as con:
        views = con.execute("select sql from duckdb_views() where view_name = ?", [table]).fetchall()
        for (view,) in views:
            con.execute(view.replace(f"CREATE VIEW {table}", f"CREATE VIEW true_{table}"))
            con.execute(f"create or replace view {table} as select {deed} from true_{table}")
        if not views:
            con.execute(f"create or replace table {table} as select {deed} from {table}" if deed[0] == "*" else deed)
    return JUDGES[table](replace(played, here=here))


def test_what_was_shown_of_a_cluster_that_could_not_be_reached_gives_way_to_what_it_tells_later(tmp_path: Path) -> None:
    outages = tuple(Outage(START + timedelta(hours=1), START + timedelta(hours=3), place) for place in range(3))
    config = WorldConfig(pods=0, start=START, outages=outages)
    with scene(tmp_path / "data", config=config, after=timedelta(hours=2)) as here:
        half = timedelta(minutes=30)
        here.world.add(created_at=START + half, completed_at=START + 3 * half)
        looks = []
        for _ in range(2):
            here.run()
            looks.append((here.clock.now(), here.clock.now()))
            here.advance(hours=2)
            said = {row["phase"] for row in here.rows("pod_history") if row["is_current"]}
            assert said == {"Succeeded" if len(looks) > 1 else "Running"}
        assert history_differences(here, looks, set()) == []


def test_of_a_pod_whose_deletion_was_taken_back_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__CLUSTER_PODS", "true")
    switches = Switches(plain_list_has_deleted=False, keeps_allocation=False)
    config = WorldConfig(pods=0, start=START)
    with scene(tmp_path / "data", config=config, switches=switches, after=timedelta(hours=1)) as here:
        created = here.clock.now() - timedelta(minutes=30)
        (pod,) = here.world.add(1, created_at=created, started_at=created)
        looks = []
        for deed in (None, here.world.delete, here.world.undelete):
            if deed is not None:
                deed(pod.id)
            if deed == here.world.undelete:
                # The last list told of the deletion, and there is no other.
                monkeypatch.setenv("SOURCES__RUNAI__CLUSTER_PODS", "false")
            begin = here.clock.now()
            here.run(metrics="none")
            looks.append((begin, here.clock.now()))
            here.advance(minutes=20)
        assert cluster_pod_differences(here, looks, set()) != []
        assert cluster_pod_differences(here, looks, set(), {pod.id}) == []
        assert history_differences(here, looks, set()) != []
        assert history_differences(here, looks, set(), {pod.id}) == []


def test_only_a_pod_that_was_shown_without_names_may_be_without(
    played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seen in played.here.simulator.requests:
        monkeypatch.setattr(seen, "named", ())
    assert _told_after(played, tmp_path, "pods", "update pods set project_name = null, workload_name = null") == []
    assert _told_after(played, tmp_path, "pods", "update pods set project_name = 'another'")


def test_every_table_has_its_judge_or_a_reason(played: Played) -> None:
    assert published_tables(played.here) == JUDGES.keys() | REBUILT_ALONE.keys()
    for table, columns in NOT_COMPARED.items():
        assert columns.keys() <= played.here.rows(table)[0].keys()


def test_a_table_that_nobody_judges_is_told(played: Played, tmp_path: Path) -> None:
    here = copied(played.here, tmp_path)
    with duckdb.connect(str(tmp_path / "published" / "runai.duckdb")) as con:
        con.execute("create table pod_moods (pod_id varchar)")
    for judged, missed in ((played.here, 0), (here, 1)):
        verdict = Verdict()
        judge_accounts(verdict, judged, played.results, 0)
        assert sum(not goal.is_met for goal in verdict.goals) == missed


def test_a_long_soak_in_which_nothing_happened_is_no_success() -> None:
    for days, runs, found, missed in ((14, 336, 0, 2), (14, 336, 1, 0), (2, 48, 0, 1), (14, 2, 0, 0), (0.1, 9, 0, 0)):
        verdict = Verdict()
        judge_events(verdict, days, runs, {"births": found, "pods purged that were read before": found})
        assert sum(not goal.is_met for goal in verdict.goals) == missed
