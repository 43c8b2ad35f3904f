"""A few blows of each kind: what comes of a run that was struck is what comes of one that was not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Final

import duckdb
import pytest

from simulator import WorldConfig
from tests.behaviour.killed import POINTS, PRUNING
from tests.behaviour.scene import scene
from tests.trust.blows import PHASES, REBUILDING, RESUMING, STAGES, Stage, dealt
from tests.trust.kills import MACHINES, Tally, Theatre, goals, theatres
from tests.trust.victim import FULL, KINDS, Blow, End, filled_by

pytestmark = pytest.mark.timeout(300)

SEED = 5
PRUNE: Final = next(stage for stage in STAGES if (stage.command, stage.destination) == ("prune", "duckdb"))
REBUILD: Final = next(stage for stage in STAGES if (stage.command, stage.destination) == ("rebuild", "duckdb"))
PLAYED: Final = {
    Stage("duckdb", "basic", is_first=False): ("SIGTERM", FULL),
    Stage("filesystem", "none", is_first=False): ("SIGKILL", "SIGINT"),
    Stage("duckdb", "basic", is_first=False, killed_at="committing"): ("SIGKILL", "SIGTERM"),
    PRUNE: ("SIGKILL", FULL),
    REBUILD: ("SIGKILL", "SIGTERM"),
}
_SAMPLES: Final = {"pod_metrics", "pod_metrics_hourly", "pod_metric_coverage"}
EMPTY: Final = {
    "none": {"cluster_pods", "pod_metric_histograms", *_SAMPLES},
    "basic": {"pod_metric_histograms"},
    "histograms": set[str](),
}
"""By metrics, tables in which there is nothing that a blow could cost."""
WITH_METRICS: Final = {"series written"}
"""Points that only runs with metrics reach."""
REACHED: Final = {
    stage: [*PRUNING]
    if stage.command == "prune"
    else [*REBUILDING]
    if stage.command == "rebuild"
    else [point for point in POINTS if stage.metrics != "none" or point not in WITH_METRICS]
    for stage in STAGES
}
CALLS: Final = {stage: {point: [0.1] for point in points} for stage, points in REACHED.items()}


@pytest.fixture(scope="module", params=PLAYED, ids=str)
def theatre(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    with theatres(SEED, [request.param], pods=40) as made:
        yield made[0]


@pytest.mark.parametrize("turn", [0, 1])
def test_what_was_struck_ends_as_if_it_had_not_been(theatre: Theatre, turn: int) -> None:
    kind, number = PLAYED[theatre.stage][turn], turn + [*PLAYED].index(theatre.stage)
    drawn = [blow for blow in dealt({theatre.stage: theatre.calls}, SEED)[theatre.stage] if blow.kind == kind]
    blow = Random(f"{SEED}/{kind}/{theatre.stage}").choice(drawn)
    machines = [MACHINES[number % len(MACHINES)]]
    tally = theatre.strike(blow, machines)
    if tally.too_late:
        # Its moment was drawn from a run that took longer, and came to the point more often.
        tally = theatre.strike(replace(blow, nth=1, after_seconds=0.0), machines)
    assert tally.complaints == []
    assert [goal for goal in goals(tally, wanted=1 - tally.survived, disks="") if not goal.is_met] == []


def test_a_run_reaches_the_points_of_its_stage(theatre: Theatre) -> None:
    named = {"prune": PRUNING, "rebuild": REBUILDING}.get(theatre.stage.command, POINTS)
    assert [point for point in named if theatre.calls[point]] == REACHED[theatre.stage]


def test_a_run_after_a_kill_has_something_to_finish(theatre: Theatre) -> None:
    waiting = list(theatre.before.glob("state/dlt/*/*/load/normalized/*"))
    assert len(waiting) == (theatre.stage.killed_at is not None and theatre.stage.command == "run")


def test_a_killed_run_has_left_dead_rows_and_no_other_has(theatre: Theatre) -> None:
    warehouse = theatre.before / "warehouse.duckdb"
    if theatre.stage.destination == "filesystem":
        assert not warehouse.exists()
        return
    with duckdb.connect(str(warehouse), read_only=True) as con:
        dead = con.sql("from raw.pods where _dlt_load_id not in (select load_id from raw._dlt_loads where status = 0)")
        assert bool(dead.fetchall()) == (theatre.stage.killed_at is not None)


def test_every_table_has_rows_that_a_blow_could_cost(theatre: Theatre) -> None:
    with duckdb.connect(str(theatre.twin), read_only=True) as con:
        names = [name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()]
        empty = {name for name in names if not con.execute(f"from {name} limit 1").fetchall()}
    assert empty == EMPTY[theatre.stage.metrics]


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


@pytest.mark.parametrize("seed", range(len(KINDS)))
def test_every_kind_strikes_first_and_later_runs_at_every_point(seed: int) -> None:
    drawn = dealt(CALLS, seed)
    struck = {(blow.kind, *place(blow), stage.kind) for stage, blows in drawn.items() for blow in blows}
    assert struck == {(kind, *at, stage.kind) for kind in KINDS for stage in STAGES for at in places(stage)}
    assert {(blow.kind, stage) for stage, blows in drawn.items() for blow in blows} == set(product(KINDS, STAGES))
    assert sum(map(len, drawn.values())) >= 250


def test_seeds_in_a_row_bring_every_kind_to_every_point_of_every_stage() -> None:
    drawn = [
        (stage, blow) for seed in range(len(KINDS)) for stage, blows in dealt(CALLS, seed).items() for blow in blows
    ]
    struck = {(stage, blow.kind, *place(blow)) for stage, blow in drawn}
    assert struck == {(stage, kind, *at) for stage in STAGES for kind in KINDS for at in places(stage)}


def test_a_run_that_a_full_disk_did_not_end_is_no_kill(tmp_path: Path) -> None:
    with scene(tmp_path / "world", config=WorldConfig(pods=0)) as here:
        theatre = Theatre(here, STAGES[0], tmp_path / "home", tmp_path / "disk")
        tally = theatre.told_by(Blow(FULL, "published"), End(0, [], 1.0))
    assert (tally.kills, tally.survived, tally.too_late, tally.complaints) == (0, 1, 0, [])
    assert not goals(tally, wanted=1, disks="")[0].is_met


@pytest.mark.parametrize(("code", "too_late", "complaints"), [(0, 1, 0), (1, 0, 1)])
def test_a_run_that_failed_before_it_was_struck_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, too_late: int, complaints: int
) -> None:
    (tmp_path / "home" / "before").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    with scene(tmp_path / "world", config=WorldConfig(pods=0)) as here:
        theatre = Theatre(here, STAGES[0], tmp_path / "home", tmp_path / "disk")
        monkeypatch.setattr(theatre, "_perform", lambda *_: End(code, ["error: no"], None))
        tally = theatre.strike(Blow("SIGTERM", "published"))
    assert (tally.kills, tally.too_late, len(tally.complaints)) == (0, too_late, complaints)


def test_how_a_disk_was_filled_is_told(tmp_path: Path) -> None:
    assert filled_by(tmp_path) == "RLIMIT_FSIZE"
    assert filled_by(Path("/")) == "a file on a tmpfs"
    assert goals(Tally(kills=7, survived=2), wanted=1, disks="RLIMIT_FSIZE")[0].found == (
        "7, and 2 that went on; disk full by RLIMIT_FSIZE"
    )


def test_a_goal_that_was_missed_shows() -> None:
    bad = Tally(kills=1, survived=1, lost=1, doubled=1, locks_left=1, slowest_stop=9.0, complaints=["x"])
    assert [goal.is_met for goal in goals(bad, wanted=2, disks="")] == [False] * 6


def place(blow: Blow) -> tuple[str, bool]:
    """Where it strikes: at the point, or within the call."""
    return blow.point, blow.after_seconds > 0


def places(stage: Stage) -> set[tuple[str, bool]]:
    """Where a run of the stage is to be struck."""
    everywhere = {*product(REACHED[stage], [False]), *product(PHASES, [True])}
    allowed = RESUMING if stage.kind.startswith("run after") else REACHED[stage]
    return {at for at in everywhere if at[0] in allowed}
