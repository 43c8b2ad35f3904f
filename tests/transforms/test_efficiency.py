"""`pod_efficiency`, case by case: each is one pod that started five hours before the last run, and ran for four.

GPUs: one, of 80 GiB; memory in GiB; a value holds for a quarter of an hour, then comes the next, and again the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.transforms.raw_files import DuckDBFiles, Row, at, pod, run
from tests.transforms.tables import column, refreshed, row, rows
from transforms import BadThresholds, Build, Layout, Thresholds
from transforms.thresholds import DEFAULT

CASES = json.loads((Path(__file__).parent / "efficiency.json").read_text(encoding="utf-8"))
START, GIB = -240, 2**30
METRICS = {
    "gpu": ("GPU_UTILIZATION", 1),
    "gpu_memory": ("GPU_MEMORY_USAGE_BYTES", GIB),
    "cpu": ("CPU_USAGE_CORES", 1),
    "memory": ("CPU_MEMORY_USAGE_BYTES", GIB),
}


def version(name: str, case: dict[str, Any]) -> Row:
    minutes, gpu = case.get("minutes", 240), case.get("gpu", 1)
    is_over = minutes is not None and "runs" not in case
    has_begun = minutes is not None
    requested = {"gpu": {"request": gpu or None}, "cpu": {"request": case.get("cpu", 8)}, "migProfile": case.get("mig")}
    allocated = {"gpu": gpu, "gpuMemory": "80Gi" if gpu else None}
    return pod(
        name,
        50,
        k8s_phase="Succeeded" if is_over else "Running" if has_begun else "Pending",
        priority_class_name=case.get("priority", "train"),
        created_at=at(case.get("created", START - 60)),
        completed_at=at(START + minutes) if is_over else None,
        containers=[{"name": "c", "startedAt": at(START).isoformat()}] if has_begun else [],
        requested_resources=requested | {"cpuMemory": {"request": "64Gi"}},
        allocated_resources=allocated if has_begun and case.get("allocated", True) else None,
    )


def samples(name: str, case: dict[str, Any]) -> Iterator[Row]:
    minutes = case.get("minutes", 240) or 0
    for kind, values in case["use"].items():
        metric, unit = METRICS[kind]
        for minute in range(int(minutes * case.get("share", 1))):
            value = float(values[minute // 15 % len(values)] * unit)
            yield {"pod_id": name, "metric": metric, "sampled_at": at(START + minute), "value": value} | {
                "observed_at": at(50)
            }


def window(name: str, case: dict[str, Any], came: list[Row]) -> Row:
    minutes = case.get("minutes", 240)
    names = [metric for metric, _ in METRICS.values() if case.get("gpu", 1) or not metric.startswith("GPU")]
    returned = {metric: sum(sample["metric"] == metric for sample in came) for metric in names}
    return {
        "pod_id": name,
        "asked": json.dumps(names),
        "returned": json.dumps(returned),
        "window_from": at(START),
        "window_to": at(START + minutes),
        "resolution_seconds": 60,
        "status": "ok",
        "samples": len(came),
        "expected_samples": minutes,
        "started_at": at(START),
        "ended_at": at(START + minutes),
        "attempt": 1,
        "observed_at": at(50),
    }


def write(files: DuckDBFiles, names: list[str]) -> None:
    came = {name: list(samples(name, CASES[name])) for name in names}
    files.load(
        "1.5",
        pods=[version(name, CASES[name]) for name in names],
        metric_windows=[window(name, CASES[name], came[name]) for name in names if CASES[name].get("minutes", 240)],
        pod_metrics=[sample for name in names for sample in came[name]],
        runs=[run(60, metrics_since=at(-2000), metric_types=json.dumps([metric for metric, _ in METRICS.values()]))],
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Every case at once."""
    layout = Layout(tmp_path_factory.mktemp("efficiency"))
    files = DuckDBFiles(layout.data_dir)
    write(files, list(CASES))
    with Build(layout) as build:
        yield refreshed(build, files.store)


@pytest.mark.parametrize("case", CASES)
def test_waste_class(world: Build, case: str) -> None:
    found = row(world, f"select waste_class, advice from marts.pod_efficiency where pod_id = '{case}'")

    assert found["waste_class"] == CASES[case]["class"]
    assert found["advice"] == CASES[case].get("advice", found["advice"])
    assert (found["advice"] is None) == (found["waste_class"] in {"healthy", "unknown", "too_short"})


def test_every_data_test_holds(world: Build) -> None:
    assert [finding for finding in world.audit() if finding.severity == "error"] == []


def test_what_was_requested_got_and_used_stands_side_by_side(world: Build) -> None:
    found = row(world, "from marts.pod_efficiency where pod_id = 'busy now and then'")

    assert {name: found[name] for name in found if "gpu" in name} == {
        "requested_gpu": 1,
        "allocated_gpu": 1,
        "gpu_percent_avg": 11.25,
        "gpu_percent_p50": 0,
        "gpu_percent_p95": 90,
        "gpu_percent_max": 90,
        "used_gpu_avg": 0.1125,
        "used_gpu_p50": 0,
        "used_gpu_p95": 0.9,
        "used_gpu_max": 0.9,
        "gpu_coverage": 1,
        "requested_gpu_memory_bytes": None,
        "allocated_gpu_memory_bytes": 80 * GIB,
        "used_gpu_memory_avg_bytes": 10 * GIB,
        "used_gpu_memory_p50_bytes": 10 * GIB,
        "used_gpu_memory_p95_bytes": 10 * GIB,
        "used_gpu_memory_max_bytes": 10 * GIB,
        "gpu_memory_coverage": 1,
    }
    assert (found["used_cpu_cores_avg"], found["cpu_coverage"]) == (None, 0)


def test_a_users_thresholds_hold_from_the_next_run_on(layout: Layout, files: DuckDBFiles, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(DEFAULT.read_text().replace("low_gpu_percent = 15", "low_gpu_percent = 5"))
    write(files, ["hardly busy"])
    for thresholds, said in ((None, ["low_sm"]), (Thresholds.load(mine), ["healthy"]), (None, ["low_sm"])):
        with Build(layout, thresholds=thresholds) as build:
            refreshed(build, files.store)
            assert column(build, "select waste_class from marts.pod_efficiency") == said


def test_any_priority_class_may_be_interactive(layout: Layout, files: DuckDBFiles) -> None:
    write(files, ["hardly busy"])
    mine = replace(Thresholds.load(), interactive_priority_classes=("it's mine", "train"))
    with Build(layout, thresholds=mine) as build:
        refreshed(build, files.store)
        assert rows(build, "select is_interactive, waste_class from marts.pod_efficiency") == [(True, "healthy")]


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ("wait_minutes = 60", "", "[batch] lacks wait_minutes"),
        ("wait_minutes = 60", "wait_minutes = 60\nwait_hours = 1", "[batch] has wait_hours, which means nothing"),
        ("wait_minutes = 60", "wait_minutes = -1", "[batch] wait_minutes must be a number from 0 to inf, not -1"),
        ("wait_minutes = 60", "wait_minutes = nan", "[batch] wait_minutes must be a number from 0 to inf, not nan"),
        ("wait_minutes = 60", "wait_minutes = true", "[batch] wait_minutes must be a number from 0 to inf, not True"),
        ("min_coverage = 0.8 ", "min_coverage = 80 ", "[batch] min_coverage must be a number from 0 to 1, not 80"),
        ("low_gpu_percent = 15", "low_gpu_percent = 1", "[batch] idle_gpu_percent 2 is above low_gpu_percent 1"),
        ("low_gpu_peak_percent = 10", "low_gpu_peak_percent = 2", "[interactive] low_gpu_percent 3 is above"),
        ("[batch]", "[train]", "lacks batch"),
        ('["build", "interactive-preemptible"]', '"build"', "interactive_priority_classes must be a list of texts"),
        ("[batch]", "[batch", "cannot be read"),
    ],
)
def test_thresholds_that_cannot_work_are_named(tmp_path: Path, find: str, put: str, said: str) -> None:
    text, mine = DEFAULT.read_text(encoding="utf-8"), tmp_path / "mine.toml"
    assert find in text
    mine.write_text(text.replace(find, put, 1), encoding="utf-8")
    with pytest.raises(BadThresholds, match=re.escape(str(mine)) + ".*" + re.escape(said)):
        Thresholds.load(mine)


def test_thresholds_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadThresholds, match=r"nowhere\.toml cannot be read"):
        Thresholds.load(tmp_path / "nowhere.toml")
