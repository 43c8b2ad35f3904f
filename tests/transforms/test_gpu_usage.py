"""`gpu_usage_daily`, case by case: each is one pod in a project of its own; the last run stands for 13:00 of July 1.

Instants are UTC, amounts are hours. A window is asked for from and to an instant; the first share of it has samples of
one value, a minute apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.transforms.raw_files import DuckDBFiles, RawFiles, Row, at, pod, run
from tests.transforms.tables import column, marts, refreshed, rows
from transforms import Build, Layout, UnknownTimeZone

CASES = json.loads((Path(__file__).parent / "gpu_usage.json").read_text(encoding="utf-8"))
AMOUNTS = {
    "allocated": "allocated_gpu_hours",
    "used": "used_gpu_hours",
    "idle": "idle_gpu_hours",
    "unknown": "unknown_gpu_hours",
    "mig": "mig_gpu_hours",
    "wait": "wait_hours",
    "unseen_pods": "unseen_pods",
    "unseen": "unseen_gpu_hours",
}


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


class Window(NamedTuple):
    name: str
    start: datetime
    end: datetime
    value: float
    share: float

    @classmethod
    def of(cls, name: str, since: str, until: str, value: float, share: float) -> Window:
        start, end = instant(since), instant(until)
        assert start is not None
        assert end is not None
        return cls(name, start, end, value, share)

    @property
    def minutes(self) -> int:
        return int((self.end - self.start).total_seconds() // 60)

    def samples(self) -> list[Row]:
        return [
            {
                "pod_id": self.name,
                "metric": "GPU_UTILIZATION",
                "sampled_at": self.start + timedelta(minutes=minute),
                "value": float(self.value),
                "observed_at": at(0),
            }
            for minute in range(int(self.minutes * self.share))
        ]

    def asked(self, case: dict[str, Any]) -> Row:
        count = len(self.samples())
        return {
            "pod_id": self.name,
            "asked": '["GPU_UTILIZATION"]',
            "returned": json.dumps({"GPU_UTILIZATION": count}),
            "window_from": self.start,
            "window_to": self.end,
            "resolution_seconds": 60,
            "status": "ok",
            "samples": count,
            "expected_samples": self.minutes,
            "started_at": instant(case["started"]),
            "ended_at": instant(case["ended"]),
            "attempt": 1,
            "observed_at": at(0),
        }


def load(cases: dict[str, Any]) -> dict[str, Any]:
    windows = [Window.of(name, *window) for name, case in cases.items() for window in case.get("windows", ())]
    return {
        "pods": [version(name, case) for name, case in cases.items()],
        "metric_windows": [window.asked(cases[window.name]) for window in windows],
        "pod_metrics": [sample for window in windows for sample in window.samples()],
        "runs": [run(60)],
    }


def version(name: str, case: dict[str, Any]) -> Row:
    started = instant(case.get("started"))
    return pod(
        name,
        0,
        project_id=f"id of {name}",
        project_name=name,
        cluster_id="c",
        k8s_phase="Succeeded" if "ended" in case else "Pending",
        current_node_pool=case.get("pool", "landed"),
        requested_node_pools=["asked", "landed"],
        created_at=instant(case["created"]),
        completed_at=instant(case.get("ended")),
        containers=[{"name": "c", "startedAt": started.isoformat()}] if started else [],
        requested_resources={
            "gpu": {"request": case.get("request")},
            "gpuMemory": {"request": case.get("memory")},
            "migProfile": case.get("mig"),
        },
        allocated_resources={"gpu": case["gpu"]} if "gpu" in case else None,
    )


@pytest.fixture(scope="module", params=CASES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Build]]:
    """Every case of one time zone at once."""
    layout = Layout(tmp_path_factory.mktemp("usage"))
    files = DuckDBFiles(layout.data_dir)
    files.load("1.5", **load(CASES[request.param]))
    with Build(layout, time_zone=request.param) as build:
        yield request.param, refreshed(build, files.store)


def test_every_day_of_every_case(world: tuple[str, Build]) -> None:
    zone, build = world
    columns = ", ".join(["node_pool", *AMOUNTS.values()])
    found: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in CASES[zone]}
    for name, day, pool, *amounts in rows(
        build, f"select project_name, cast(day as varchar), {columns} from marts.gpu_usage_daily"
    ):
        said = {key: amount for key, amount in zip(AMOUNTS, amounts, strict=True) if amount}
        found[name][day] = said if pool == "landed" else said | {"pool": pool}

    assert found == {
        name: {day: pytest.approx(amounts, rel=1e-12) if "pool" not in amounts else amounts for day, amounts in days}
        for name, days in ((name, case["days"].items()) for name, case in CASES[zone].items())
    }


def test_every_data_test_holds(world: tuple[str, Build]) -> None:
    assert [finding for finding in world[1].audit() if finding.severity == "error"] == []


def test_pods_of_a_project_are_added_up_and_counted(build: Build, files: DuckDBFiles) -> None:
    case = {"created": "2026-03-03 06:00", "started": "2026-03-03 06:00", "ended": "2026-03-03 08:00", "gpu": 0.1}
    pods = [version(f"pod-{number}", case) | {"project_id": "p", "project_name": "old"} for number in range(10)]
    pods[7] |= {"project_name": "new", "observed_at": at(1)}
    files.load("1.5", pods=pods, runs=[run(60)])
    refreshed(build, files.store)

    # As floating point numbers they would not be 2.
    assert rows(build, "select project_name, pods, allocated_gpu_hours from marts.gpu_usage_daily") == [("new", 10, 2)]


def test_however_samples_arrive_the_days_are_those_of_a_rebuild(layout: Layout, either: RawFiles) -> None:
    """Late ones for a pod that is over, more for one that runs, and a pod that ends a day after it was first seen."""
    whole = load(CASES["Europe/Berlin"] | CASES["UTC"])
    half = len(whole["metric_windows"]) // 2
    runs = {name: case | {"phase": "Running"} for name, case in CASES["UTC"].items() if "started" in case}
    early = [
        version(name, case) | {"completed_at": None, "k8s_phase": "Running", "observed_at": at(-5)}
        for name, case in runs.items()
    ]
    late = {asked["pod_id"] for asked in whole["metric_windows"][half:]}
    parts: dict[bool, list[Row]] = {True: [], False: []}
    for sample in whole["pod_metrics"]:
        parts[sample["pod_id"] in late].append(sample)
    loads: list[dict[str, Any]] = [
        {"pods": early, "runs": [run(-5)]},
        {"metric_windows": whole["metric_windows"][:half], "pod_metrics": parts[False], "runs": [run(10)]},
        {"pods": whole["pods"], "runs": [run(20)]},
        {"metric_windows": whole["metric_windows"][half:], "pod_metrics": parts[True], "runs": whole["runs"]},
    ]
    with Build(layout) as build:
        for number, tables in enumerate(loads):
            either.load(f"{number}.5", **tables)
            refreshed(build, either.store)
        many = marts(build), rows(build, "from pod_gpu_days order by all")
        build.start_over()
        refreshed(build, either.store)

        assert marts(build) == many[0]
        assert rows(build, "from pod_gpu_days order by all") == many[1]
        assert sum(column(build, "select used_gpu_hours from marts.gpu_usage_daily")) > 0


def test_another_time_zone_rebuilds(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", **load(CASES["Asia/Kathmandu"]))
    for zone, hours in (("UTC", [4]), ("Asia/Kathmandu", [2.5, 1.5]), ("UTC", [4])):
        with Build(layout, time_zone=zone) as build:
            refreshed(build, files.store)
            assert column(build, "select allocated_gpu_hours from marts.gpu_usage_daily order by day") == hours


@pytest.mark.parametrize(("name", "like"), [("Europe/Berlim", "Europe/Berlin"), ("utc", "UTC"), ("", "Europe/Berlin")])
def test_a_time_zone_that_does_not_exist_is_refused_before_anything_is_opened(
    layout: Layout, name: str, like: str
) -> None:
    with pytest.raises(UnknownTimeZone, match=f"unknown time zone '{name}': .* such as {like}"):
        Build(layout, time_zone=name)
    assert not layout.state.exists()
