"""Switches that disguise what is true, and how switches are written."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from simulator import Fault, Switches
from simulator.contract import Contract
from tests.simulator.plane import PODS, Plane

LOAD_BEARING = {"completedAt", "deletedAt"}


def rows(plane: Plane) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for is_deleted in (True, False) for row in plane.pods(deleted=is_deleted)}


def test_all_nullable_fields_can_be_null(plane: Plane) -> None:
    contract = Contract("2.21")
    plane.switch(nulls=1.0)
    for row in rows(plane).values():
        for name, schema in contract.schema("Pod")["properties"].items():
            if contract.resolve(schema).get("nullable") and name not in LOAD_BEARING:
                assert row[name] is None
            else:
                assert row[name] is not None or name in LOAD_BEARING
        assert all(container["startedAt"] is None for container in row["containers"])


def test_all_optional_fields_can_be_absent(plane: Plane) -> None:
    plane.switch(absences=1.0)
    required = set(Contract("2.21").schema("Pod")["required"])
    for row in rows(plane).values():
        assert row.keys() == required | LOAD_BEARING
        assert all(container.keys() == {"name", "image"} for container in row["containers"])


def test_nulls_can_be_left_out(plane: Plane) -> None:
    plain = rows(plane)
    plane.switch(omits_nulls=True)
    for id_, row in rows(plane).items():
        assert row.keys() == {name for name, value in plain[id_].items() if value is not None}


def test_twins_stand_beside_the_pod_in_one_answer(plane: Plane) -> None:
    plain = rows(plane)
    plane.switch(twins=1.0)
    listed = [row for is_deleted in (True, False) for row in plane.pods(deleted=is_deleted)]
    assert len(listed) == 2 * len(plain)
    stale = [row for row in listed if row not in plain.values()]
    assert {row["id"]: row["updatedAt"] for row in stale} == dict.fromkeys(plain, "2000-01-01T00:00:00Z")


def test_a_share_hits_some_and_always_the_same(plane: Plane) -> None:
    plain = rows(plane)
    plane.switch(nulls=0.3)
    first = rows(plane)
    changed = {id_ for id_ in plain if first[id_] != plain[id_]}
    assert 0 < len(changed) <= len(plain)
    assert any(row["requestedResources"] is None for row in first.values())
    assert any(row["requestedResources"] is not None for row in first.values())
    plane.switch(nulls=0.3)
    assert rows(plane) == first


def test_unknown_fields_and_phases(plane: Plane) -> None:
    plane.switch(unknown_fields=1.0, unknown_phases=1.0)
    for row in rows(plane).values():
        assert row["schedulingGate"] == {"name": "topology", "waits": [1, 2.5, None]}
        assert all("schedulingGate" in container for container in row["containers"])
        assert row["k8sPhase"] not in {"Pending", "Running", "Succeeded", "Failed", "Unknown"}
    pod = plane.world.truth()[0]
    answer = plane.get(
        f"/api/v1/workloads/{pod.workload_id}/pods/{pod.id}/metrics",
        metricType="CPU_USAGE_CORES",
        start="2026-01-05T00:00:00Z",
        end=plane.clock.now(),
    )
    assert "GPU_TEMPERATURE_CELSIUS" in {part["type"] for part in answer["measurements"]}


def test_numbers_as_text_and_text_as_numbers(plane: Plane) -> None:
    plain = rows(plane)
    plane.switch(numbers_as_text=1.0)
    for id_, row in rows(plane).items():
        assert row["tenantId"] == str(plain[id_]["tenantId"])
        assert row["requestedResources"]["cpu"]["request"] == str(plain[id_]["requestedResources"]["cpu"]["request"])
    plane.switch(text_as_numbers=1.0)
    for id_, row in rows(plane).items():
        assert row["projectId"] == int(plain[id_]["projectId"])
        assert row["name"] == plain[id_]["name"]


def test_odd_quantities(plane: Plane) -> None:
    plane.switch(odd_quantities=1.0)
    found = {row["requestedResources"]["cpuMemory"]["request"] for row in rows(plane).values()}
    assert found <= {"0B", "1.5GB", "lots", ""}
    assert "0B" in found


def test_broken_rows(plane: Plane) -> None:
    plane.switch(broken_rows=1.0)
    kinds = {type(row).__name__ for row in plane.get(PODS, limit=500)["pods"]}
    assert kinds == {"NoneType", "str", "dict"}
    assert all(
        not isinstance(row.get("id"), str) for row in plane.get(PODS, limit=500)["pods"] if isinstance(row, dict)
    )


def test_who_is_named_can_be_read(plane: Plane) -> None:
    plane.switch(broken_rows=0.5)
    named = {}
    for verbosity in ("brief", "full"):
        shown = plane.get(PODS, limit=500, verbosity=verbosity)["pods"]
        named[verbosity] = set(plane.simulator.requests[-1].named)
    readable = {row["id"] for row in shown if isinstance(row, dict) and isinstance(row.get("id"), str)}
    assert named == {"brief": set(), "full": readable}
    assert 0 < len(readable) < len(shown)


@pytest.mark.parametrize(
    ("switches", "created"),
    [
        ({"fraction_digits": 0}, "2026-01-14T23:00:00Z"),
        ({"fraction_digits": 6}, "2026-01-14T23:00:00.120000Z"),
        ({"fraction_digits": 6, "trims_zeros": True}, "2026-01-14T23:00:00.12Z"),
        ({"timestamp_style": "space"}, "2026-01-14 23:00:00.120"),
    ],
)
def test_spellings_of_instants(plane: Plane, switches: dict[str, Any], created: str) -> None:
    at = plane.clock.now().replace(day=14, hour=23, microsecond=120_000)
    [pod] = plane.world.add(created_at=at)
    plane.switch(**switches)
    assert rows(plane)[pod.id]["createdAt"] == created


def test_allocations_may_outlive_their_pod(plane: Plane) -> None:
    over = [row for row in rows(plane).values() if row["completedAt"]]
    assert all(row["allocatedResources"] is None for row in over)
    plane.switch(keeps_allocation=True)
    kept = [row for row in rows(plane).values() if row["completedAt"]]
    assert all(row["allocatedResources"]["cpu"] > 0 for row in kept)
    assert len(kept) == len(over) > 0


def test_switches_as_text() -> None:
    texts = {
        "ties": "shuffled",
        "purge_days": "3",
        "nulls": "0.25",
        "plain_list_has_deleted": "true",
        "hidden_projects": '["4500001"]',
        "refusal_status": "400",
        "tells_expiry": "false",
        "faults": json.dumps([{"path": "count$", "status": 429, "headers": {"Retry-After": "1"}}]),
    }
    assert Switches.of(texts) == Switches(
        ties="shuffled",
        purge_days=3.0,
        nulls=0.25,
        plain_list_has_deleted=True,
        hidden_projects=("4500001",),
        refusal_status=400,
        tells_expiry=False,
        faults=(Fault("count$", status=429, headers={"Retry-After": "1"}),),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [("tie", "x"), ("ties", "sorted"), ("nulls", "true"), ("purge_days", "long"), ("deletion_is_update", "1")],
)
def test_bad_switches_are_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=name):
        Switches.of({name: text})


def test_every_switch_has_a_default() -> None:
    assert len(fields(Switches)) == len(vars(Switches()))
    assert Switches() == Switches.of({})
