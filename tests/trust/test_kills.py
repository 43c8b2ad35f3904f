"""A few blows of each kind: what comes of a run that was struck is what comes of one that was not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.behaviour.killed import POINTS
from tests.trust.kills import MACHINES, Stage, Tally, Theatre, blows, goals, theatres
from tests.trust.victim import KINDS

pytestmark = pytest.mark.timeout(300)

SEED = 5
STAGES = [Stage("duckdb", "basic", is_first=False), Stage("filesystem", "none", is_first=False)]


@pytest.fixture(scope="module", params=STAGES, ids=str)
def theatre(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    with theatres(SEED, [request.param], pods=40) as made:
        yield made[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_struck_ends_as_if_it_had_not_been(theatre: Theatre, kind: str) -> None:
    number = KINDS.index(kind) + STAGES.index(theatre.stage)
    drawn = [blow for blow in blows(theatre.calls, Random(SEED), number) if blow.kind == kind]
    blow = Random(f"{SEED}/{kind}/{theatre.stage}").choice(drawn)
    tally = theatre.strike(blow, [MACHINES[number % len(MACHINES)]])
    assert tally.complaints == []
    assert [goal for goal in goals(tally, wanted=1) if not goal.is_met] == []


def test_a_row_that_was_lost_or_doubled_shows(
    theatre: Theatre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert theatre.differences() == ({}, {})
    other = tmp_path / "other.duckdb"
    shutil.copy(theatre.twin, other)
    with duckdb.connect(str(other)) as con:
        con.execute("delete from pod_resources where rowid = 0")
        con.execute("insert into pod_containers from pod_containers limit 1")
    monkeypatch.setattr(theatre, "twin", other)
    assert theatre.differences() == ({"pod_containers": 1}, {"pod_resources": 1})


def test_every_kind_strikes_at_every_point() -> None:
    calls = {point: [0.1] for point in POINTS}
    struck = {(blow.kind, blow.point) for turn in range(len(KINDS)) for blow in blows(calls, Random(1), turn)}
    assert struck == {(kind, point) for kind in KINDS for point in POINTS}


def test_a_goal_that_was_missed_shows() -> None:
    bad = Tally(kills=1, lost=1, doubled=1, locks_left=1, slowest_stop=9.0, complaints=["x"])
    assert [goal.is_met for goal in goals(bad, wanted=2)] == [False] * 6
