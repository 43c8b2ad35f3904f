"""Every data test holds on a clean world, and is seen to fail on a planted row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transforms.raw_files import DuckDBFiles, at, pod, run
from tests.transforms.tables import refreshed
from transforms import Build, Layout, ModelError, audit

PLANTED = json.loads((Path(__file__).parent / "findings.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """One pod with something in every table; nothing is published yet, so every test looks at all of it."""
    layout = Layout(tmp_path_factory.mktemp("world"))
    files = DuckDBFiles(layout.data_dir)
    whole = pod(
        k8s_phase="Succeeded",
        completed_at=at(-1),
        containers=[{"name": "c", "image": "i", "startedAt": at(-30).isoformat()}],
        requested_resources={"gpu": {"request": 1}},
        allocated_resources={"gpu": 1, "cpu": 2, "cpuMemory": "1Gi"},
        tenant_id="1001",
        tolerations=[{"operator": "Exists"}],
        requested_node_pools=["default"],
    )
    listed = {"pod_id": "pod-1", "content_hash": "", "observed_at": at(0)}
    asked = {"counted_at": at(4), "as_of": at(4), "is_whole": True, "filter": "", "observed_at": at(4)}
    count = asked | {"api_count": 1, "warehouse_count": 1}
    # Of two counts by one filter the last one speaks, and only those of the last run do.
    doubted = count | {"counted_at": at(3), "warehouse_count": 0}
    past = count | {"counted_at": at(-50), "as_of": at(-50), "warehouse_count": 0}
    files.load(
        "1.5",
        pods=[whole],
        cluster_pods=[listed],
        pod_counts=[past, doubted, count],
        runs=[run(-50), run(4, started_at=at(2))],
    )
    with Build(layout) as build:
        yield refreshed(build, files.store)


def test_a_clean_world_has_no_finding(world: Build) -> None:
    assert world.audit() == []


def test_every_data_test_has_its_planted_row() -> None:
    assert {test.name for test in audit.data_tests()} == set(PLANTED)


@pytest.mark.parametrize("name", PLANTED)
def test_a_data_test_finds_its_planted_row(world: Build, name: str) -> None:
    world.connection.begin()
    try:
        world.connection.execute(PLANTED[name])
        found = {finding.name: finding for finding in world.audit()}
    finally:
        world.connection.rollback()

    assert name in found
    assert found[name].count >= 1
    assert found[name].rows
    assert found[name].message


def test_what_only_the_api_says_never_stops_a_publication() -> None:
    """Only what is computed here may be an error: keys, parents, shapes and flags."""
    errors = {test.name for test in audit.data_tests() if test.severity == "error"}

    assert {name.rpartition("_")[2] for name in errors} == {
        "key",
        "parent",
        "shape",
        "current",
        "start",
        "complete",
        "flags",
        "range",
        "reason",
        "ended",
        "sums",
        "conserved",
        "values",
        "quantities",
        "costs",
        "currency",
        "sku",
    }


def test_a_finding_shows_five_rows_and_counts_all(world: Build) -> None:
    test = audit.parse("many", "-- Too many.\n-- severity: warn\n-- looks at: everything\nselect * from range(12)")
    finding = audit._run(world.connection, test)

    assert finding is not None
    assert (finding.count, len(finding.rows), finding.rows[0]) == (12, 5, {"range": 0})


@pytest.mark.parametrize(
    "text", ["select 1", "-- Why.\nselect 1", "-- Why.\n-- severity: fatal\n-- looks at: everything"]
)
def test_a_data_test_without_a_header_is_an_error(text: str) -> None:
    with pytest.raises(ModelError, match=r"tests/nameless\.sql"):
        audit.parse("nameless", text)
