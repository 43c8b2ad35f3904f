"""A sample of the soak: the same weather, over fewer runs."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import duckdb
import pytest

from simulator import Switches
from sources.runai.reading.referee import ROTATION_DAYS
from tests.trust.soak import AGE, Plan, hidden_fields, hourly, random_times, soak
from tests.trust.verdict import rebuild_differences
from tests.trust.weather import _DAY, _LASTING, _PLANE, HIDING, STORMY, UNPLAYED, Weather

SAMPLES = (
    Plan("hourly", 1, "duckdb", (1.0,) * 3, pods=40, meddling=0.3, rest=(1.0, 25.0)),
    Plan(
        "at random times",
        3,
        "filesystem",
        (0.3, 50.0),
        40,
        "basic",
        meddling=0.2,
        rest=(1.0, 25.0),
    ),
    Plan(
        "with fields hidden",
        1,
        "duckdb",
        (1.0, 30.0),
        40,
        "basic",
        turn=2,
        hides=True,
        meddling=0.2,
        rest=(1.0, 25.0),
    ),
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("plan", SAMPLES, ids=lambda plan: plan.title)
def test_at_the_end_every_table_is_the_truth(plan: Plan, tmp_path: Path) -> None:
    assert [goal for goal in soak(plan, tmp_path) if not goal.is_met] == []


def test_two_weeks_are_two_weeks_and_every_day_has_its_turn_in_the_rest() -> None:
    assert hourly(1).gaps == (1.0,) * 336
    for seed in range(20):
        for plan, most in ((random_times(seed), 72), (hidden_fields(seed), 48)):
            assert sum(plan.gaps) >= 336
            assert max(plan.gaps) <= most
    for plan in (hourly(1), hourly(1, 90), random_times(1), hidden_fields(1)):
        days = AGE.days + sum(plan.gaps + plan.rest) / 24
        assert plan.rest[-1] == 1.0
        assert plan.rest.count(1.0) * ROTATION_DAYS >= days


@pytest.mark.parametrize("seed", range(5))
def test_the_soaks_of_a_seed_play_every_value_of_every_switch_or_say_why_not(seed: int) -> None:
    played: dict[str, set[Any]] = {}
    for plan in (hourly(seed), random_times(seed), hidden_fields(seed)):
        weather = Weather(plan.seed, plan.turn, hides=plan.hides)
        for _ in range(3):
            weather.day()
        weather.upgrade()
        for name, values in weather.seen.items():
            played[name] = played.get(name, set()) | values
    hiding = {name: {value} for name, value in HIDING.items()}
    assert played == {name: set(values) for name, values in {**_LASTING, **_PLANE, **_DAY}.items()} | hiding
    assert all(len(values) > 1 for name, values in played.items() if name not in hiding)
    assert all(getattr(Switches(), name) not in values for name, values in hiding.items())
    assert {one.name for one in fields(Switches)} == {*played, *STORMY, *UNPLAYED}
    assert not (played.keys() | set(STORMY)) & UNPLAYED.keys()


def test_only_what_a_control_plane_was_drawn_to_withhold_is_withheld() -> None:
    weather = Weather(1, 0)
    kind: dict[str, set[Any]] = {
        "metrics_of_deleted": {True},
        "advanced_metrics": {True},
        "metric_retention_days": {None},
    }
    asked = [(status, late) for status in ("not_found", "disabled", "complete") for late in (False, True)]
    for name, other, withheld in (
        ("metrics_of_deleted", True, []),
        ("metrics_of_deleted", False, asked[:2]),
        ("advanced_metrics", False, asked[2:4]),
        ("metric_retention_days", 9.0, asked[1::2]),
    ):
        weather.seen = kind | {name: kind[name] | {other}}
        assert [one for one in asked if weather.withheld(one[0], is_late=one[1])] == withheld


def test_a_row_too_many_or_too_few_is_noticed(tmp_path: Path) -> None:
    for name, values in (("left", "(1), (2), (2)"), ("right", "(2), (3)")):
        folder = tmp_path / name / "published"
        folder.mkdir(parents=True)
        with duckdb.connect(str(folder / "runai.duckdb")) as con:
            con.execute(f"create table numbers as select * from (values {values})")
    found = rebuild_differences(tmp_path / "left", tmp_path / "right")
    assert sorted(found) == ["numbers only after: (3,)", "numbers only before: (1,)", "numbers only before: (2,)"]
