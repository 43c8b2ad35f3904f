from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from simulator import Fault
from sources.runai.errors import BrokenAnswer
from sources.runai.reading.cluster_pods import read_cluster_pods
from sources.runai.reading.known import NothingKnown
from sources.runai.reading.listing import as_page
from sources.runai.reading.observations import Observations, ReadingReport
from tests.behaviour.scene import START, scene
from tests.sources.scripted import ScriptedPlane, client, problem


@pytest.fixture(autouse=True)
def opted_in() -> None:
    os.environ["SOURCES__RUNAI__CLUSTER_PODS"] = "true"


def test_the_deprecated_list_is_loaded_where_it_exists(tmp_path: Path) -> None:
    with scene(tmp_path / "data") as made:
        made.run()
        rows = made.rows("cluster_pods")
        assert rows
        assert all(row["namespace"] for row in rows)
        assert all(row["created_at"].year == 2026 for row in rows)
        assert made.run().reading.warnings == []
        assert made.rows("cluster_pods") == rows


def test_the_start_comes_from_it_where_containers_do_not_tell(tmp_path: Path) -> None:
    with scene(tmp_path / "data") as made:
        running = next(
            pod for pod in made.world.truth() if pod.started_at and not pod.completed_at and not pod.deleted_at
        )
        containers = [{**container, "startedAt": None} for container in running.payload()["containers"]]
        made.world.edit(running.id, containers=containers)
        made.run()
        assert running.started_at is not None
        assert made.pods()[running.id]["started_at"] == running.started_at.replace(microsecond=0)


def test_a_newer_control_plane_is_told_of_and_is_no_failure(tmp_path: Path) -> None:
    with scene(tmp_path / "data", version="2.24") as made:
        result = made.run()
        assert any("exists up to 2.21 only" in warning for warning in result.reading.warnings)
        assert result.published is not None
        assert made.rows("cluster_pods") == []


def test_what_it_shows_unreadably_is_kept_once(tmp_path: Path) -> None:
    with scene(tmp_path / "data") as made:
        broken = Fault(path=r"^/v1/k8s/clusters/", kind="status", status=200, body='[{"podName": "without an id"}]')
        made.simulator.switches = replace(made.simulator.switches, faults=(broken,))
        assert made.run().reading.rejects_new == 1
        again = made.run().reading
        assert (again.rejects, again.rejects_new) == (1, 0)


@pytest.mark.parametrize("status", [302, 400, 403, 405, 410])
def test_a_control_plane_that_refuses_it_is_told_of_and_is_no_failure(status: int) -> None:
    report = ReadingReport()
    seen = Observations(NothingKnown(), report, created_until=START, deleted_since=START)
    with client(ScriptedPlane([problem(status)])) as api:
        assert list(read_cluster_pods(api, ["c"], seen, known_hashes={})) == []
    assert [warning.split()[0] for warning in report.warnings] == [str(status)]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (httpx.Response(200, json={"pods": []}), "odd/pods answers otherwise than the contract says: no list of pods"),
        (httpx.Response(200, text="<title>Sign in</title>"), "an HTML page titled Sign in"),
        (httpx.Response(207, json=[]), "207 on GET /v1/k8s/clusters/odd/pods"),
        (httpx.Response(503), "503 on GET /v1/k8s/clusters/odd/pods"),
    ],
    ids=["another shape", "a page", "another status", "in trouble"],
)
def test_an_odd_answer_is_told_of_and_the_next_cluster_is_read(odd: httpx.Response, said: str) -> None:
    report = ReadingReport()
    seen = Observations(NothingKnown(), report, created_until=START, deleted_since=START)
    plane = ScriptedPlane([odd, httpx.Response(200, json=[{"podId": "a"}])])
    with client(plane, max_attempts=1) as api:
        ((table, rows),) = read_cluster_pods(api, ["odd", "c"], seen, known_hashes={})
    assert (table, rows.column("pod_id").to_pylist()) == ("cluster_pods", ["a"])
    (warning,) = report.warnings
    assert said in warning


def test_an_odd_answer_of_the_list_of_pods_itself_is_a_failure() -> None:
    with pytest.raises(BrokenAnswer, match="answers otherwise than the contract says: no list of pods"):
        as_page([], START, "/api/v1/workloads/pods")
