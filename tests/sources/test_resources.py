"""Every resource alone, in a dlt pipeline of somebody's own, its connection from dlt's configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from simulator import Clock, Simulator, World, WorldConfig
from sources.runai import cluster_pods, pod_counts, pod_metrics, pods, revision_pods, runai, workload_pods
from sources.runai.reading.windows import MetricTarget
from sources.runai.schemas import TABLES

NOW = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldConfig(pods=300, start=NOW - timedelta(days=10)), Clock(NOW))


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    simulator = Simulator(world, client_secret="s")
    with simulator.serve() as url:
        os.environ |= {
            "SOURCES__RUNAI__BASE_URL": url,
            "SOURCES__RUNAI__CLIENT_ID": "demo",
            "SOURCES__RUNAI__CLIENT_SECRET": "s",
        }
        yield simulator


def loaded(folder: Path, source: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Load into a database of its own, and return the rows of each table."""
    path = folder / "own.duckdb"
    pipeline = dlt.pipeline(
        "own", destination=dlt.destinations.duckdb(str(path)), dataset_name="mine", pipelines_dir=str(folder)
    )
    pipeline.run(source, loader_file_format="parquet")
    with duckdb.connect(str(path), read_only=True) as con:
        names = con.execute("select table_name from duckdb_tables() where table_name not like '\\_dlt%' escape '\\'")
        return {name: con.execute(f"from mine.{name}").fetchall() for (name,) in names.fetchall()}


def shown(world: World) -> list[Any]:
    moment = int(NOW.timestamp() * 1_000_000)
    return [pod for pod in world.truth() if world.knows(pod.pod, moment)]


@pytest.mark.usefixtures("simulator")
def test_pods_and_the_source_read_everything(world: World, tmp_path: Path) -> None:
    tables = loaded(tmp_path, runai())
    assert {row[0] for row in tables["pods"]} == {pod.id for pod in shown(world)}
    assert len(tables["pod_counts"]) == 2
    assert {row[0] for row in loaded(tmp_path / "alone", pods())["pods"]} == {row[0] for row in tables["pods"]}


@pytest.mark.usefixtures("simulator")
def test_pods_narrowed_to_clusters_and_projects_of_interest(world: World, tmp_path: Path) -> None:
    clusters = sorted({pod.cluster_id for pod in shown(world)})[:1]
    tables = loaded(tmp_path, pods(clusters=clusters))
    assert {row[0] for row in tables["pods"]} == {pod.id for pod in shown(world) if pod.cluster_id in clusters}
    assert "pod_counts" not in tables, "a narrowed reading cannot be held against whole counts"


def test_what_narrows_a_reading_reaches_the_server(simulator: Simulator, tmp_path: Path) -> None:
    narrowed = pods(node_pools=["default"], nodes=["n1", "n2"], search="train", verbosity="brief")
    loaded(tmp_path, narrowed)
    lists = [seen.params for seen in simulator.requests if seen.path == "/api/v1/workloads/pods"]
    counts = [seen.params for seen in simulator.requests if seen.path.endswith("/count")]
    terms = {asked["filterBy"] for asked in [*lists, *counts]}
    assert terms == {"currentNodepool==default,nodeName==n1", "currentNodepool==default,nodeName==n2"}
    assert all(asked["search"] == "train" for asked in counts)
    assert all(asked["verbosity"] == "brief" for asked in lists)


def test_a_comma_cannot_be_asked_for() -> None:
    with pytest.raises(Exception, match="separates filters by commas"):
        list(pods(nodes=["a,b"]))


@pytest.mark.usefixtures("simulator")
def test_pods_of_workloads(world: World, tmp_path: Path) -> None:
    workload_id = next(pod.workload_id for pod in shown(world) if pod.deleted_at is None)
    found = loaded(tmp_path, workload_pods([workload_id]))["pods"]
    alive = {pod.id for pod in shown(world) if pod.workload_id == workload_id and pod.deleted_at is None}
    assert {row[0] for row in found} == alive


@pytest.mark.usefixtures("simulator")
def test_pods_of_revisions(world: World, tmp_path: Path) -> None:
    revision_id = next(pod.revision_id for pod in shown(world) if pod.revision_id and pod.deleted_at is None)
    found = loaded(tmp_path, revision_pods([revision_id]))["pods"]
    alive = {pod.id for pod in shown(world) if pod.revision_id == revision_id and pod.deleted_at is None}
    assert {row[0] for row in found} == alive


@pytest.mark.usefixtures("simulator")
def test_counts(world: World, tmp_path: Path) -> None:
    found = loaded(tmp_path, pod_counts())["pod_counts"]
    alive = sum(pod.deleted_at is None for pod in shown(world))
    api_count, warehouse_count = (TABLES["pod_counts"].names.index(name) for name in ("api_count", "warehouse_count"))
    assert sorted(row[api_count] for row in found) == sorted([alive, len(shown(world)) - alive])
    assert all(row[warehouse_count] is None for row in found)


@pytest.mark.usefixtures("simulator")
def test_pods_of_a_cluster_by_the_deprecated_list(world: World, tmp_path: Path) -> None:
    cluster_id = shown(world)[0].cluster_id
    found = loaded(tmp_path, cluster_pods([cluster_id]))["cluster_pods"]
    assert found
    assert {row[0] for row in found} <= {pod.id for pod in world.truth() if pod.cluster_id == cluster_id}


@pytest.mark.usefixtures("simulator")
def test_metrics_of_pods(world: World, tmp_path: Path) -> None:
    pod = next(pod for pod in shown(world) if pod.started_at and not pod.completed_at and not pod.deleted_at)
    target = MetricTarget(pod.id, pod.workload_id, NOW - timedelta(minutes=30))
    tables = loaded(tmp_path, pod_metrics([target], as_of=NOW))
    assert len(tables["metric_windows"]) == 1
    assert len(tables["pod_metrics"]) > 0
