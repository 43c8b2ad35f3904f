"""The verdict where fields are hidden: nothing to say of what follows from what was shown, something of all else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from simulator import Switches, WorldConfig
from tests.behaviour.scene import START, Scene, scene
from tests.trust.hidden import life_differences
from tests.trust.seen_past import Look
from tests.trust.shown_pods import child_differences, pod_differences, resource_differences, views
from tests.trust.test_verdict import copied
from tests.trust.weather import HIDING

VERSIONS = ("2.21",)
HIDES = Switches(**{**HIDING, "keeps_allocation": True, "nulls": 0.2, "absences": 0.2})
_ONE = "where pod_id = (select min(pod_id) from pod_lifecycle where {} is not null)"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, list[Look]]]:
    config = WorldConfig(pods=60, start=START)
    with scene(tmp_path_factory.mktemp("hidden") / "data", config=config, switches=HIDES) as here:
        here.run()
        first = here.clock.now()
        here.advance(hours=20)
        here.run()
        yield here, [(first, first), (here.clock.now(), here.clock.now())]


def test_what_was_shown_is_there_and_no_more(played: tuple[Scene, list[Look]]) -> None:
    here, looks = played
    known = views(here, VERSIONS)
    said = pod_differences(here, known, looks) + resource_differences(here, known)
    assert said + [one for differ in child_differences(here, known).values() for one in differ] == []
    assert life_differences(here, looks, set()) == []


def test_it_hides_something_of_every_kind(played: tuple[Scene, list[Look]]) -> None:
    here, _ = played
    pods, lives = here.rows("pods"), here.rows("pod_lifecycle")
    for column in (
        "node_name",
        "project_id",
        "node_pool",
        "pod_ip",
        "allocated_gpu",
        "started_at",
        "requested_cpu_cores",
    ):
        assert 0 < sum(row[column] is None for row in pods) < len(pods), column
    assert any(row["run_seconds"] is None and row["end_reason"] == "succeeded" for row in lives)
    assert any(row["is_deleted"] and row["deleted_at"] is None for row in pods)
    assert any(row["requested_text"] == "lots" for row in here.rows("pod_resources"))


@pytest.mark.parametrize("column", ["project_id", "node_name", "requested_cpu_cores", "started_at"])
def test_what_was_hidden_must_not_be_there(played: tuple[Scene, list[Look]], tmp_path: Path, column: str) -> None:
    here, looks = played
    example = f"select any_value({column}) from pods"
    other = tampered(here, tmp_path, f"update pods set {column} = ({example}) where {column} is null")
    assert any(f".{column}: " in one for one in pod_differences(other, views(here, VERSIONS), looks))


@pytest.mark.parametrize(
    ("column", "value"),
    {
        "wait_seconds": "wait_seconds + 1",
        "run_seconds": "run_seconds + 1",
        "requested_gpu_seconds": "requested_gpu_seconds + 1",
        "allocated_gpu_seconds": "allocated_gpu_seconds + 1",
        "unseen_seconds": "-1",
        "end_reason": "'vanished'",
        "ended_at": "ended_at + interval 10 days",
    }.items(),
)
@pytest.mark.parametrize("is_null", [False, True])
def test_what_does_not_follow_is_told(
    played: tuple[Scene, list[Look]], tmp_path: Path, column: str, value: str, *, is_null: bool
) -> None:
    here, looks = played
    deed = f"set {column} = {'null' if is_null else value} {_ONE.format(column)}"
    other = tampered(here, tmp_path, f"update pod_lifecycle {deed}")
    assert any(f".{column}: " in one for one in life_differences(other, looks, set()))


def test_a_life_that_is_lost_is_told(played: tuple[Scene, list[Look]], tmp_path: Path) -> None:
    here, looks = played
    other = tampered(here, tmp_path, f"delete from pod_lifecycle {_ONE.format('pod_id')}")
    assert [one.partition(": ")[2] for one in life_differences(other, looks, set())] == ["lost"]


def test_an_end_that_nobody_dates_is_that_of_the_first_look(played: tuple[Scene, list[Look]], tmp_path: Path) -> None:
    here, looks = played
    (_, first_end), (second_begin, _) = looks
    undated = "(select pod_id from pods where is_deleted and completed_at is null)"
    deed = f"set ended_at = '{second_begin}' where ended_at = '{first_end}' and pod_id in {undated}"
    other = tampered(here, tmp_path, f"update pod_lifecycle {deed}")
    said = life_differences(other, looks, set())
    late = {one.partition(".")[0] for one in said if ".ended_at: " in one}
    assert late
    # Of these nobody can say which look saw the end.
    assert not any(".ended_at: " in one for one in life_differences(other, looks, late))


def tampered(here: Scene, data_dir: Path, deed: str) -> Scene:
    """The scene, with something done to its published database."""
    other = copied(here, data_dir)
    with duckdb.connect(str(data_dir / "published" / "runai.duckdb")) as con:
        assert con.execute(deed).fetchall() != [(0,)]
    return other
