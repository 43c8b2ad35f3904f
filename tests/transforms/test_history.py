"""`pod_history`, case by case: times are minutes after noon; every pod was created at -60 unless a case says else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.transforms.raw_files import DuckDBFiles, Row, at, pod
from tests.transforms.tables import refreshed, rows
from transforms import Build, Layout

CASES = json.loads((Path(__file__).parent / "history.json").read_text(encoding="utf-8"))
SHAPE = {"pod_history_shape", "pod_history_current", "pod_history_start", "pod_history_key"}


def version(pod_id: str, said: dict[str, Any]) -> Row:
    def instant(name: str, default: float | None = None) -> Any:
        minutes = said.get(name, default)
        return None if minutes is None else at(minutes)

    started = instant("started")
    return pod(
        pod_id,
        said["observed"],
        k8s_phase=said["phase"],
        k8s_phase_updated_at=instant("updated"),
        node_name=said.get("node"),
        created_at=instant("created", -60),
        completed_at=instant("completed"),
        deleted_at=instant("deleted"),
        containers=[{"name": "c", "startedAt": started.isoformat()}] if started else [],
        allocated_resources={"gpu": said["gpu"]} if "gpu" in said else None,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Every case at once: each is one pod."""
    layout = Layout(tmp_path_factory.mktemp("histories"))
    files = DuckDBFiles(layout.data_dir)
    files.load("1.5", pods=[version(name, said) for name, case in CASES.items() for said in case["versions"]])
    with Build(layout) as build:
        yield refreshed(build, files.store)


@pytest.mark.parametrize("case", CASES)
def test_history(world: Build, case: str) -> None:
    pod_id = case.replace("'", "''")
    found = rows(
        world,
        "select valid_from, valid_to, phase, node_name, allocated_gpu, is_inferred"
        f" from marts.pod_history where pod_id = '{pod_id}' order by valid_from",
    )

    assert found == [
        (at(from_), None if to is None else at(to), *held) for from_, to, *held in CASES[case]["stretches"]
    ]


def test_every_history_has_its_shape(world: Build) -> None:
    assert {finding.name for finding in world.audit()} & SHAPE == set()


MINUTES = st.none() | st.integers(-90, 90)
SAID = st.fixed_dictionaries(
    {"observed": st.integers(0, 60), "phase": st.sampled_from(["Pending", "Running", "Failed", None])},
    optional={
        "node": st.sampled_from("ab"),
        "gpu": st.sampled_from([0, 0.5, 2]),
        **dict.fromkeys(("updated", "created", "started", "completed", "deleted"), MINUTES),
    },
)


# A failure is shown as it came: to make it smaller would take minutes.
@settings(max_examples=8, phases=[Phase.generate])
@given(st.lists(st.lists(SAID, min_size=1, max_size=5), min_size=10, max_size=60))
def test_whatever_the_api_says_history_has_neither_gap_nor_overlap(
    tmp_path_factory: pytest.TempPathFactory, lives: list[list[dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.mktemp("lives")
    versions = [version(f"pod-{number}", said) for number, life in enumerate(lives) for said in life]
    files = DuckDBFiles(folder)
    files.load("1.5", pods=versions)
    with Build(Layout(folder)) as build:
        refreshed(build, files.store)

        assert rows(build, "select count(distinct pod_id) from marts.pod_history") == [(len(lives),)]
        assert {finding.name for finding in build.audit()} & SHAPE == set()
