"""Every kind of answer is valid by the contract of its version, whatever the switches that stay within it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from openapi_core.validation.response.exceptions import InvalidData
from openapi_spec_validator import validate

from simulator import Fault
from simulator.contract import VERSIONS, Contract, document
from tests.simulator.judge import Judge
from tests.simulator.plane import COUNT, PODS, START, Plane

SERVED = ["2.21", "2.24"]
WITHIN: dict[str, dict[str, Any]] = {
    "plain": {},
    "nulls": {"nulls": 0.5},
    "only nulls": {"nulls": 1.0},
    "absences": {"absences": 0.5},
    "bare": {"absences": 1.0},
    "omitted nulls": {"omits_nulls": True, "nulls": 0.3},
    "deleted shown": {"plain_list_has_deleted": True, "keeps_allocation": True},
    "no deletedAt": {"shows_deleted_at": False},
    "seconds": {"fraction_digits": 0},
    "Go's microseconds": {"fraction_digits": 6, "trims_zeros": True},
    "unknown fields and phases": {"unknown_fields": 0.5, "unknown_phases": 0.5},
    "next is 0": {"next_at_end": "zero"},
    "N+1 samples, all types": {"samples_include_end": True, "advanced_metrics": True},
    "null series": {"empty_series": "null", "advanced_outcome": "207"},
    "no series": {"empty_series": "omit", "nan_samples": 0.5},
    "opaque tokens": {"token_style": "opaque"},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_files_are_openapi(version: str) -> None:
    validate({**document(version)})
    assert document(version)["info"]["version"] == version


@pytest.mark.parametrize("version", SERVED)
@pytest.mark.parametrize("switches", WITHIN.values(), ids=WITHIN)
def test_answers(version: str, switches: dict[str, Any]) -> None:
    plane = Plane(version, pods=24, late_share=0.2)
    plane.switch(**switches)
    judge = Judge(plane)
    truth = plane.world.truth()
    assert judge.get(PODS, limit=500, verbosity="full", deleted=False)["pods"]
    assert judge.get(PODS, limit=20, offset=5, sortBy="nodeName", sortOrder="desc", completed="all", search="-")["pods"]
    assert judge.get(PODS, limit=500, deleted=True, filterBy=[f"deletedAt>={START:%Y-%m-%dT%H:%M:%SZ}"])["pods"]
    assert judge.get(COUNT, deleted=False)["count"] > 0
    for pod in truth[::8]:
        assert "pods" in judge.get(f"/api/v1/workloads/{pod.workload_id}/pods", deleted=bool(pod.deleted_at))
        _metrics(judge, pod.workload_id, pod.id, pod.created_at)
    for revision in {pod.revision_id for pod in truth if pod.revision_id}:
        assert "pods" in judge.get(f"/api/v1/workloads/inferences/revisions/{revision}/pods", deleted=True)
    if version == "2.21":
        assert judge.get(f"/v1/k8s/clusters/{plane.world.fleet.clusters[0].id}/pods")
    judge.post("/api/v1/token", {"grantType": "client_credentials", "clientID": "demo", "clientSecret": "demo-secret"})


def _metrics(judge: Judge, workload: str, pod: str, created: datetime) -> None:
    contract = judge.plane.simulator.contract
    every = contract.schema("MetricType")["enum"]
    is_refused = judge.plane.simulator.switches.advanced_outcome == "207"
    for first in range(0, len(every), 9):
        asked = every[first : first + 9]
        has_advanced = any("NVLINK" in name or "ACTIVITY" in name or "PCIE" in name for name in asked)
        judge.get(
            f"/api/v1/workloads/{workload}/pods/{pod}/metrics",
            status=207 if is_refused and has_advanced else 200,
            metricType=asked,
            start=created,
            end=created + timedelta(hours=2),
            numberOfSamples=15,
        )


@pytest.mark.parametrize("version", SERVED)
def test_refusals(version: str) -> None:
    plane = Plane(version, pods=10)
    judge = Judge(plane)
    nobody = "00000000-0000-4000-8000-000000000000"
    judge.get(PODS, status=400, limit=0)
    judge.get(COUNT, status=400, completed="true")
    judge.get(f"/api/v1/workloads/{nobody}/pods", status=404)
    judge.get(f"/api/v1/workloads/inferences/revisions/{nobody}/pods", status=404)
    plane.switch(forbidden=("all",))
    for path in (PODS, COUNT, f"/api/v1/workloads/{nobody}/pods"):
        judge.get(path, status=403)
    plane.simulator.expire_tokens()
    for path in (PODS, COUNT, f"/api/v1/workloads/{nobody}/pods"):
        judge.get(path, status=401)
    judge.post(
        "/api/v1/token", {"grantType": "client_credentials", "clientID": "demo", "clientSecret": "x"}, status=401
    )
    judge.post("/api/v1/token", {"grantType": "password"}, status=400)


def test_the_second_token_endpoint() -> None:
    judge = Judge(Plane("2.24", pods=5))
    asked = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"}
    assert judge.post("/api/v2/token", asked, is_form=True)["token_type"] == "Bearer"
    assert (
        judge.post("/api/v2/token", asked | {"client_secret": "x"}, is_form=True, status=401)["error"]
        == "invalid_client"
    )
    refused = judge.post("/api/v2/token", asked | {"grant_type": "password"}, is_form=True, status=400)
    assert refused["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        ("2.18", set(), {"ip", "revisionId", "nodeAffinity"}),
        ("2.19", {"ip"}, {"revisionId", "nodeAffinity"}),
        ("2.21", {"ip", "revisionId"}, {"nodeAffinity"}),
        ("2.22", {"ip", "revisionId", "nodeAffinity"}, set()),
        ("2.24", {"ip", "revisionId", "nodeAffinity"}, set()),
    ],
)
def test_fields_by_version(version: str, has: set[str], has_not: set[str]) -> None:
    plane = Plane(version, pods=20)
    for pod in plane.pods():
        assert has <= pod.keys()
        assert not has_not & pod.keys()
        assert ("migProfile" in pod["requestedResources"]) == (version != "2.24")


def test_a_mig_slice_in_both_words() -> None:
    """The same world in two versions: what one calls a profile is an extended resource to the other."""
    switches = {"plain_list_has_deleted": True}
    old, new = Plane("2.23", pods=300), Plane("2.24", pods=300)
    old.switch(**switches)
    new.switch(**switches)
    asked = {pod["id"]: pod["requestedResources"] for pod in old.pods()}
    profiles = {id_: part["migProfile"] for id_, part in asked.items() if part["migProfile"]}
    assert profiles
    assert {asked[id_]["gpuRequestType"] for id_ in profiles} == {"migProfile"}
    slices = {
        pod["id"]: part["resource"].removeprefix("nvidia.com/mig-")
        for pod in new.pods()
        for part in pod["requestedResources"]["extendedResources"]
        if part["resource"].startswith("nvidia.com/mig-")
    }
    assert slices == profiles


def test_a_patch_removes_changes_and_keeps() -> None:
    assert "search" not in document("2.20")["components"]["parameters"]
    assert "search" in document("2.21")["components"]["parameters"]
    assert Contract("2.18").schema("Pod")["properties"]["id"] == Contract("2.24").schema("Pod")["properties"]["id"]
    assert len(Contract("2.19").schema("MetricType")["enum"]) == 18
    assert len(Contract("2.21").schema("MetricType")["enum"]) == 19
    assert len(Contract("2.24").schema("MetricType")["enum"]) == 31


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2\.25"):
        Contract("2.25")


def test_the_validator_can_say_no() -> None:
    plane = Plane(pods=10)
    plane.switch(numbers_as_text=1.0)
    with pytest.raises(InvalidData):
        Judge(plane).get(PODS)


def test_faults_are_no_part_of_an_answer() -> None:
    plane = Plane(pods=10)
    plane.switch(faults=(Fault(),))
    assert plane.reply(PODS).status == 200
