"""What is asked for must be what the contract offers; anything else is a 400 with the contract's error body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.contract import Contract
from simulator.problems import Problem
from simulator.service.exchange import Call
from tests.simulator.plane import PODS, Plane

MATRIX = json.loads(Path(__file__).with_name("strictness.json").read_text(encoding="utf-8"))
CASES = [
    pytest.param(endpoint["path"], params, is_allowed, id=f"{name}-{'allowed' if is_allowed else 'refused'}-{params}")
    for name, endpoint in MATRIX.items()
    for is_allowed in (True, False)
    for params in endpoint["allowed" if is_allowed else "refused"]
]


def path_of(template: str, plane: Plane) -> str:
    pod = next(pod for pod in plane.world.truth() if pod.revision_id and not pod.purged_at)
    return template.format(workload=pod.workload_id, pod=pod.id, revision=pod.revision_id, cluster=pod.cluster_id)


@pytest.mark.parametrize(("template", "params", "is_allowed"), CASES)
def test_matrix(untouched: Plane, template: str, params: dict[str, str], is_allowed: bool) -> None:
    reply = untouched.reply(path_of(template, untouched), **params)
    assert reply.status == (200 if is_allowed else 400), reply.body[:300]
    if not is_allowed:
        error = json.loads(reply.body)
        assert error.keys() == {"code", "message", "details"}
        assert error["code"] == 400


def test_a_parameter_twice_is_refused(untouched: Plane) -> None:
    twice = (("filterBy", "nodeName==a"), ("filterBy", "nodeName==b"))
    assert untouched.simulator.answer(Call("GET", PODS, twice, untouched.headers)).status == 400


@pytest.mark.parametrize(
    ("version", "path", "params"),
    [
        ("2.20", PODS, {"search": "a"}),
        ("2.20", PODS, {"sortBy": "workloadId"}),
        ("2.20", PODS, {"filterBy": "workloadId=^0"}),
        ("2.19", "/api/v1/workloads/{w}/pods/{w}/metrics", {"metricType": "GPU_SWAP_MEMORY_BYTES_PER_GPU"}),
    ],
)
def test_what_came_with_a_later_version_is_refused(version: str, path: str, params: dict[str, Any]) -> None:
    id_ = "00000000-0000-4000-8000-000000000000"
    window = {"start": "2026-01-05T00:00:00Z", "end": "2026-01-05T01:00:00Z"} if "metricType" in params else {}
    contract = Contract(version)
    with pytest.raises(Problem, match="400"):
        contract.check_request("GET", path.format(w=id_), params | window)
    assert Contract("2.21").check_request("GET", path.format(w=id_), params | window).operation


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/workloads", 404),
        ("GET", "/api/v1/workloads/pods/", 404),
        ("POST", PODS, 405),
        ("GET", "/api/v1/token", 405),
        ("GET", "/api/v1/workloads/not-a-uuid/pods", 400),
        ("GET", "/api/v1/workloads/00000000-0000-4000-8000-000000000000/pods", 404),
        ("GET", "/api/v1/workloads/inferences/revisions/00000000-0000-4000-8000-000000000000/pods", 404),
        ("GET", "/v1/k8s/clusters/00000000-0000-4000-8000-000000000000/pods", 404),
    ],
)
def test_paths_and_methods(untouched: Plane, method: str, path: str, status: int) -> None:
    assert untouched.simulator.answer(Call(method, path, (), untouched.headers)).status == status


@pytest.mark.parametrize("version", ["2.22", "2.23", "2.24"])
def test_the_deprecated_list_is_gone_from_2_22(version: str) -> None:
    plane = Plane(version, pods=5)
    assert plane.reply(f"/v1/k8s/clusters/{plane.world.fleet.clusters[0].id}/pods").status == 404
