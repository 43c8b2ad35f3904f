"""`pod_lifecycle`, case by case: all is in minutes; every pod was created at -60, and the last run stands for 60."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.transforms.raw_files import DuckDBFiles, Row, absence, at, run
from tests.transforms.tables import refreshed, row
from tests.transforms.test_history import version
from transforms import Build, Layout

CASES = json.loads((Path(__file__).parent / "lifecycle.json").read_text(encoding="utf-8"))


def reading(pod_id: str, said: dict[str, Any]) -> Row:
    requested = {"gpu": {"request": said.get("request")}, "gpuMemory": {"request": said.get("memory")}}
    return version(pod_id, said) | {
        "requested_resources": json.dumps(requested),
        "is_deleted": said.get("is_deleted", False),
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Every case at once: each is one pod."""
    layout = Layout(tmp_path_factory.mktemp("lives"))
    files = DuckDBFiles(layout.data_dir)
    files.load(
        "1.5",
        pods=[reading(name, said) for name, case in CASES.items() for said in case["versions"]],
        pod_absences=[absence(name, minutes) for name, case in CASES.items() for minutes in case.get("absent", ())],
        runs=[run(60), run(55)],
    )
    with Build(layout) as build:
        yield refreshed(build, files.store)


@pytest.mark.parametrize("case", CASES)
def test_lifecycle(world: Build, case: str) -> None:
    found = row(world, "from marts.pod_lifecycle where pod_id = '{}'".format(case.replace("'", "''")))
    wanted = CASES[case]
    seconds = {
        f"{name}_seconds": None if wanted[key] is None else wanted[key] * 60
        for name, key in {
            "wait": "wait",
            "run": "run",
            "requested_gpu": "requested",
            "allocated_gpu": "allocated",
            "unseen": "unseen",
        }.items()
    }

    assert found == seconds | {
        "pod_id": case,
        "end_reason": wanted["reason"],
        "ended_at": None if wanted["ended"] is None else at(wanted["ended"]),
    }


def test_every_life_holds_its_tests(world: Build) -> None:
    assert [finding.name for finding in world.audit() if finding.name.startswith("pod_lifecycle")] == []
