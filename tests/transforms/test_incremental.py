"""However the versions of a world arrive, the tables end up as if everything had been there from the start."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.transforms.raw_files import DuckDBFiles, Row, absence, at, metric_type, pod, run
from tests.transforms.tables import column, marts, refreshed
from transforms import Build, Layout, publish, refresh

CATALOGUE = [metric_type("LOAD"), metric_type("GPU", needs_gpu=True), metric_type("OFF")]
PODS = [f"pod-{number}" for number in range(20)]
MINUTES = st.none() | st.integers(-90, 90).map(at)
VERSION = st.fixed_dictionaries(
    {"pod_id": st.sampled_from(PODS), "observed": st.integers(0, 60)},
    optional={
        "k8s_phase": st.sampled_from(["Pending", "Running", "Succeeded"]),
        "project_name": st.none() | st.sampled_from("xy"),
        "node_name": st.none() | st.sampled_from("ab"),
        "is_deleted": st.booleans(),
        "allocated_resources": st.sampled_from([None, {"gpu": 1}, {"gpu": "500m"}]),
        "requested_resources": st.sampled_from([None, {"gpu": {"request": 1}}, {"cpu": {"request": "1"}}]),
        "containers": st.sampled_from([[], [{"name": "c", "image": "i", "startedAt": at(-30).isoformat()}]]),
        **dict.fromkeys(("created_at", "completed_at", "deleted_at", "k8s_phase_updated_at"), MINUTES),
    },
)
ABSENCE = st.fixed_dictionaries({"pod_id": st.sampled_from(PODS), "observed": st.integers(0, 3000)})
ASKED = st.fixed_dictionaries(
    {
        "pod_id": st.sampled_from(PODS),
        "statuses": st.lists(st.sampled_from(["ok", "short", "empty", "failed", "not_found"]), min_size=1, max_size=3),
        "asked": st.sampled_from(['["LOAD"]', '["LOAD", "GPU"]']),
    }
)
RUN = st.fixed_dictionaries(
    {"finished": st.integers(0, 60)},
    optional={
        # A day or weeks later, by which metrics are given up.
        "as_of": st.sampled_from([0, 1_440, 25_000]).map(at),
        "metrics_since": st.integers(-90, 0).map(at),
        "metric_types": st.sampled_from(['["LOAD"]', '["LOAD", "GPU", "OFF"]']),
    },
)
LISTED = st.fixed_dictionaries(
    {"pod_id": st.sampled_from([*PODS, "elsewhere"]), "started": st.sampled_from([0, 1782903600])}
)


def listed(pod_id: str, started: int) -> Row:
    return {"pod_id": pod_id, "started": started, "content_hash": "", "observed_at": at(started % 7)}


def windows(slot: int, pod_id: str, statuses: list[str], asked: str) -> list[Row]:
    """One window of a pod, asked for once or more: each load has a time of its own, as runs do."""
    window = {"pod_id": pod_id, "asked": asked, "window_from": at(20 * slot - 90), "window_to": at(20 * slot - 70)}
    facts = {"resolution_seconds": 60, "samples": 0, "expected_samples": 20, "reason": "why"}
    returned = {"ok": 20, "short": 9, "empty": 0}
    return [
        window
        | facts
        | {
            "status": status,
            "returned": json.dumps({"LOAD": returned[status]}) if status in returned else None,
            "attempt": number + 1,
            "observed_at": at(slot + number),
        }
        for number, status in enumerate(statuses)
    ]


def load(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "pods": [pod(**version) for version in said["pods"]],
        "pod_absences": [absence(**look) for look in said["pod_absences"]],
        "cluster_pods": [listed(**one) for one in said["cluster_pods"]],
        "metric_windows": said["metric_windows"],
        "runs": [run(**one) for one in said["runs"]],
    }


LOAD = st.fixed_dictionaries(
    {
        "pods": st.lists(VERSION, min_size=5, max_size=40),
        "pod_absences": st.lists(ABSENCE, max_size=8),
        "cluster_pods": st.lists(LISTED, max_size=5),
        "metric_windows": st.lists(ASKED, max_size=20, unique_by=lambda asked: asked["pod_id"]),
        "runs": st.lists(RUN, max_size=1),
    }
).map(load)


# Few worlds with many pods each: a pod is a case of its own. To make a failure smaller would take minutes.
@settings(max_examples=4, phases=[Phase.generate])
@given(loads=st.lists(LOAD, min_size=2, max_size=3), batch=st.sampled_from([7, 10_000]))
def test_incremental_equals_rebuild(
    tmp_path_factory: pytest.TempPathFactory, loads: list[dict[str, Any]], batch: int
) -> None:
    layout = Layout(tmp_path_factory.mktemp("world"))
    files = DuckDBFiles(layout.data_dir)
    with pytest.MonkeyPatch.context() as patch:
        # Small batches: pods of one load are rebuilt in several.
        patch.setattr(refresh, "_POD_BATCH", batch)
        with Build(layout, CATALOGUE) as build:
            for number, tables in enumerate(loads):
                asked = [row for one in tables["metric_windows"] for row in windows(number, **one)]
                files.load(f"{number}.5", copies=1 + number % 2, **tables | {"metric_windows": asked})
                build.take_in(files.store)
                publish(layout, build, build.refresh(), [])
            incremental = marts(build)
    with Build(layout, CATALOGUE) as build:
        build.start_over()
        assert marts(refreshed(build, files.store)) == incremental


def test_an_open_pod_of_which_no_row_came_was_seen_all_the_same(files: DuckDBFiles, build: Build) -> None:
    files.load("1", pods=[pod(k8s_phase="Running")], runs=[run(10)])
    refreshed(build, files.store)
    files.load("2", runs=[run(20)])
    refreshed(build, files.store)
    assert column(build, "select last_observed_at from marts.main.pods") == [at(20)]
