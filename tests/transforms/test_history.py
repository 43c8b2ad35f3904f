"""`pod_history`, case by case: times are minutes after noon; every pod was created at -60 unless a case says else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
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
def histories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """The history of every case, built at once: each case is one pod."""
    folder = tmp_path_factory.mktemp("histories")
    files = DuckDBFiles(folder)
    files.load("1.5", pods=[version(name, said) for name, case in CASES.items() for said in case["versions"]])
    found: dict[str, list[tuple[Any, ...]]] = {}
    with Build(Layout(folder)) as build:
        refreshed(build, files.store)
        history = "pod_id, valid_from, valid_to, phase, node_name, allocated_gpu, is_inferred"
        for name, *stretch in rows(build, f"select {history} from marts.pod_history order by all"):
            found.setdefault(name, []).append(tuple(stretch))
        assert {finding.name for finding in build.audit()} & SHAPE == set()
    return found


@pytest.mark.parametrize("case", CASES)
def test_history(histories: dict[str, list[tuple[Any, ...]]], case: str) -> None:
    assert histories[case] == [
        (at(from_), None if to is None else at(to), *held) for from_, to, *held in CASES[case]["stretches"]
    ]


MINUTES = st.none() | st.integers(-90, 90)
SAID = st.fixed_dictionaries(
    {"observed": st.integers(0, 60), "phase": st.sampled_from(["Pending", "Running", "Failed", None])},
    optional={
        "node": st.sampled_from("ab"),
        "gpu": st.sampled_from([0, 0.5, 2]),
        **dict.fromkeys(("updated", "created", "started", "completed", "deleted"), MINUTES),
    },
)


@settings(max_examples=15)
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
