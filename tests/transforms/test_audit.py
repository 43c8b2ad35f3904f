"""Every data test holds on a clean world, and is seen to fail on a planted row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transforms.raw_files import DuckDBFiles, at, metric_type, pod, run
from tests.transforms.tables import refreshed
from transforms import Build, Layout, ModelError, RawStore, audit, publish
from transforms.series import files as files_of

# By data test: a statement or several, each of which alone makes it fail; or rows by table
# in place of those in its files.
PLANTED = json.loads((Path(__file__).parent / "findings.json").read_text(encoding="utf-8"))
PLANTS = [
    pytest.param(name, plant, id=f"{name} {number}" if number else name)
    for name, plants in PLANTED.items()
    for number, plant in enumerate(plants if isinstance(plants, list) else [plants])
]
CATALOGUE = [
    metric_type("LOAD")._replace(unit="percent"),
    metric_type("ACTIVITY")._replace(unit="unknown_ratio"),
    metric_type("SHARE")._replace(unit="ratio"),
]


def load_world(layout: Layout) -> RawStore:
    """Load one pod with something in every table."""
    raw = DuckDBFiles(layout.data_dir)
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
    samples = [{"pod_id": "pod-1", "metric": "LOAD", "sampled_at": at(n), "value": 50.0 + n} for n in range(-29, -1)]
    window = {
        "pod_id": "pod-1",
        "asked": '["LOAD"]',
        "returned": json.dumps({"LOAD": len(samples)}),
        "window_from": at(-29),
        "window_to": at(-1),
        "resolution_seconds": 60,
        "status": "ok",
        "samples": len(samples),
        "expected_samples": len(samples),
        "started_at": at(-30),
        "ended_at": at(-1),
        "attempt": 1,
    }
    # Of a day of its own: each of the series brings its days before the tests.
    earlier = {"pod_id": "pod-1", "metric": "LATENCY", "sampled_at": at(-1445)}
    spread = earlier | {"data": '{"0.5": 2, "1": 3, "+Inf": 3}'}
    count = asked | {"api_count": 1, "warehouse_count": 1}
    # Of two counts by one filter the last one speaks, and only those of the last run do.
    doubted = count | {"counted_at": at(3), "warehouse_count": 0}
    past = count | {"counted_at": at(-50), "as_of": at(-50), "warehouse_count": 0}
    raw.load(
        "1.5",
        pods=[whole],
        cluster_pods=[listed],
        pod_counts=[past, doubted, count],
        runs=[run(-50), run(4, started_at=at(2), metrics_since=at(-1440), metric_types='["LOAD"]')],
        pod_metrics=[sample | {"observed_at": at(2)} for sample in samples],
        pod_metric_histograms=[spread | {"observed_at": at(2)}],
        metric_windows=[window | {"observed_at": at(2)}],
    )
    return raw.store


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Nothing is published yet, so every test looks at all of it."""
    layout = Layout(tmp_path_factory.mktemp("world"))
    store = load_world(layout)
    with Build(layout, CATALOGUE) as build:
        yield refreshed(build, store)


def test_a_clean_world_has_no_finding(world: Build) -> None:
    assert world.audit() == []


def test_every_data_test_has_its_planted_row() -> None:
    assert {test.name for test in audit.data_tests()} == set(PLANTED)


def plant_in_files(build: Build, table: str, query: str) -> None:
    """Let one file with these rows stand for the day's; the books say so until the transaction is rolled back."""
    (paths,) = files_of(build.connection, table, build.layout.series).values()
    planted = paths[0].with_name("planted.parquet")
    rows = query.replace("planted", f"read_parquet({[str(path) for path in paths]})")
    build.connection.execute(f"copy ({rows}) to '{planted}' (format parquet)")
    build.connection.execute(f"update series_files set file = '{planted.name}' where table_name = '{table}'")


@pytest.mark.parametrize(("name", "plant"), PLANTS)
def test_a_data_test_finds_its_planted_row(world: Build, name: str, plant: str | dict[str, str]) -> None:
    world.connection.begin()
    try:
        if isinstance(plant, str):
            world.connection.execute(plant)
        else:
            for table, rows in plant.items():
                plant_in_files(world, table, rows)
        found = {finding.name: finding for finding in world.audit()}
    finally:
        world.connection.rollback()

    assert name in found
    assert found[name].count >= 1
    assert found[name].rows
    assert found[name].message


def test_days_that_are_published_are_not_looked_at_again(tmp_path: Path) -> None:
    """The audit of a run that brought no sample costs nothing, however many there are."""
    store = load_world(Layout(tmp_path))
    with Build(Layout(tmp_path), CATALOGUE) as build:
        refreshed(build, store)
        publish(build.layout, build, build.refresh(), build.audit())
        plant_in_files(build, "pod_metrics_hourly", "select * replace (1.5 as coverage) from planted")
        assert build.audit() == []
        build.connection.execute("insert into unpublished_series select day from series_files")
        assert "pod_metrics_hourly_range" in {finding.name for finding in build.audit()}


def test_distributions_of_a_day_without_samples_are_looked_at(layout: Layout, files: DuckDBFiles) -> None:
    spread = {"pod_id": "nobody", "metric": "LATENCY", "sampled_at": at(-5), "data": '{"0.5": 2}', "observed_at": at(2)}
    window = {
        "pod_id": "nobody",
        "asked": '["LATENCY"]',
        "window_from": at(-9),
        "window_to": at(-1),
        "observed_at": at(2),
    }
    files.load("1.5", pods=[pod()], pod_metric_histograms=[spread], metric_windows=[window], runs=[run(4)])
    with Build(layout) as build:
        assert "pod_metric_histograms_parent" in {finding.name for finding in refreshed(build, files.store).audit()}


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
        "observed",
        "coverage",
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
