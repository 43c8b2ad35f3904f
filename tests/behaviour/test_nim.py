"""Types that only NIM servers have: asked of every pod that may be one, and of the others hardly ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator import Switches, WorldConfig
from tests.behaviour.samples import metric_requests, sample_differences
from tests.behaviour.scene import START, Scene, scene

DAY = timedelta(days=1)
NIM = ("NIM_NUM_REQUEST_MAX", "NIM_REQUEST_SUCCESS_TOTAL")
ASKED: dict[str, Any] = {"metrics": ("CPU_USAGE_CORES", *NIM)}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Scene]:
    """A control plane of 2.23 with nothing on it."""
    config = WorldConfig(pods=1, start=START, life_scale=0.001)
    with scene(
        tmp_path / "data",
        config=config,
        version="2.23",
        switches=Switches(advanced_metrics=True),
        after=timedelta(days=10, hours=12),
    ) as made:
        yield made


def start_pod(here: Scene, kind: str, image: str, **instants: Any) -> str:
    """Start a pod of its own workload, an hour ago."""
    created = here.clock.now() - timedelta(hours=1)
    (pod,) = here.world.add(kind=kind, created_at=created, started_at=created, **instants)
    pod.pod.workload = replace(pod.pod.workload, image=image)
    here.world.edit(pod.id)
    return pod.id


def nim_requests(here: Scene) -> list[str]:
    """The pods of which NIM types were asked for since that was asked last."""
    asked = [seen.path.split("/")[-2] for seen in metric_requests(here) if "NIM_" in str(seen.params["metricType"])]
    here.simulator.clear_requests()
    return asked


def statuses(here: Scene, pod_id: str) -> set[str]:
    rows = here.rows("pod_metric_coverage")
    return {row["status"] for row in rows if row["pod_id"] == pod_id and row["metric"] in NIM}


def test_pods_without_any_sign_of_a_nim_are_asked_seldom(here: Scene) -> None:
    named = start_pod(here, "training", "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.3.3")
    other = start_pod(here, "training", "pytorch/pytorch:latest")
    ended = start_pod(here, "training", "pytorch/pytorch:latest", completed_at=here.clock.now() - timedelta(minutes=9))
    small = start_pod(here, "cpu", "python:3.12-slim")
    here.run(**ASKED)
    assert sorted(nim_requests(here)) == sorted([named, ended])
    assert [statuses(here, pod) for pod in (named, other, ended, small)] == [
        {"ok"},
        {"pending"},
        {"empty"},
        {"not_applicable"},
    ]
    here.advance(hours=2)
    here.run(**ASKED)
    # What came without samples is asked for no more.
    assert nim_requests(here) == [named]
    here.advance(hours=16)
    here.run(**ASKED)
    assert nim_requests(here).count(other) == 2
    assert statuses(here, other) == {"empty"}
    here.advance(hours=1)
    here.run(**ASKED)
    assert nim_requests(here) == [named]


def test_a_nim_that_shows_no_sign_of_it_loses_nothing(here: Scene) -> None:
    floor = here.clock.now() - DAY
    pods = [start_pod(here, "training", "registry.example/nim/served") for _ in range(2)]
    for pod in pods:
        here.world.edit(pod, containers=[{"name": "main", "image": "registry.example/served:1"}])
    here.run(**ASKED)
    assert nim_requests(here) == []
    here.advance(hours=1)
    here.world.complete(pods[0], here.clock.now() - timedelta(minutes=5))
    here.run(**ASKED)
    assert nim_requests(here) == [pods[0]]
    here.advance(hours=17)
    here.run(**ASKED)
    assert sample_differences(here, floor, types=ASKED["metrics"]) == []
    nim_requests(here)
    here.advance(hours=1)
    here.run(**ASKED)
    # It is known for one now.
    assert nim_requests(here) == [pods[1]]
