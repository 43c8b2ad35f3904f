"""What the marts make of a whole world, against the simulator's truth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.waste import UNJUDGED, lines, scores
from pipelines.run import rebuild
from pipelines.settings import UsageError
from simulator import Switches, WorldConfig
from tests.behaviour.lives import lifecycle_differences
from tests.behaviour.scene import START, Scene, scene
from tests.behaviour.truth import offered
from tests.behaviour.usage import charge_differences, held_gpu_hours, usage_differences, used_gpu_hours
from transforms.database import HERE

EXAMPLE = HERE / "rate_card.example.csv"
NEEDED = ("GPU_UTILIZATION", "GPU_MEMORY_USAGE_BYTES", "CPU_USAGE_CORES", "CPU_MEMORY_USAGE_BYTES")
TELLING_NOTHING = {"healthy", "unknown", "too_short"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Scene]:
    """A world whose control plane still tells what pods held that are over."""
    with scene(tmp_path / "data", switches=Switches(keeps_allocation=True)) as made:
        yield made


def test_every_life_is_counted_exactly_however_often_one_ran(here: Scene) -> None:
    for hours in (0, 5, 31):
        here.advance(hours=hours, seconds=hours / 7)
        here.run()
        assert lifecycle_differences(here) == []


def test_a_pod_that_is_not_found_any_more_keeps_what_it_held(one: Scene) -> None:
    """It is open and unchanged for days: no row tells of it, and what was published of these days stays."""
    created = one.clock.now() - timedelta(hours=1)
    (pod,) = one.world.add(created_at=created, started_at=created)
    one.run()
    one.advance(days=3)
    one.run()
    one.world.hide(pod_ids=[pod.id])
    one.advance(minutes=15)
    one.run()
    one.advance(days=2)
    one.run()
    (life,) = [row for row in one.rows("pod_lifecycle") if row["pod_id"] == pod.id]
    assert (life["end_reason"], life["run_seconds"]) == ("vanished", timedelta(days=3, minutes=75).total_seconds())


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        # A month ends; clocks are put forward; days begin within an hour.
        ("UTC", datetime(2026, 1, 25, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 22, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 3, 22, tzinfo=UTC)),
    ],
)
def test_gpu_hours_are_those_of_the_truth_on_every_day(tmp_path: Path, zone: str, start: datetime) -> None:
    os.environ["TRANSFORMS__TIME_ZONE"] = zone
    switches, config = Switches(keeps_allocation=True), WorldConfig(pods=200, start=start)
    with scene(tmp_path / "data", config=config, switches=switches) as here:
        for hours in (0, 29):
            here.advance(hours=hours, seconds=hours / 7)
            here.run()
            assert usage_differences(here, zone) == []
            assert charge_differences(here, zone) == []
        many = [here.rows(table) for table in ("gpu_usage_daily", "focus_usage")]
        rebuild(here.settings())
        assert [here.rows(table) for table in ("gpu_usage_daily", "focus_usage")] == many


def test_used_and_idle_hours_are_those_of_the_samples(here: Scene) -> None:
    floor = here.clock.now() - timedelta(hours=24)
    for hours in (0, 6, 20):
        here.advance(hours=hours)
        here.run(metrics=("GPU_UTILIZATION",))
        days = here.rows("gpu_usage_daily")
        used, idle = (sum(day[column] for day in days) for column in ("used_gpu_hours", "idle_gpu_hours"))
        # Samples stand for the minute after them, but an hour's mean for all of the hour: edges differ.
        assert used == pytest.approx(used_gpu_hours(here, floor), rel=0.005)
        assert used + idle == pytest.approx(held_gpu_hours(here, floor), rel=0.005)
    many = here.rows("gpu_usage_daily")
    rebuild(here.settings())
    assert here.rows("gpu_usage_daily") == many


def test_a_time_zone_that_does_not_exist_stops_a_run_before_it_asks(one: Scene) -> None:
    os.environ["TRANSFORMS__TIME_ZONE"] = "Europe/Berlim"
    with pytest.raises(UsageError, match=r"\[transforms\] time_zone: .* such as Europe/Berlin"):
        one.run()
    assert one.simulator.requests == []


def test_a_rate_card_that_contradicts_itself_stops_a_run_before_it_asks(one: Scene, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text(EXAMPLE.read_text(encoding="utf-8").replace("EUR,2026-07-01", "EUR,2026-06-30"), encoding="utf-8")
    os.environ["TRANSFORMS__RATE_CARD"] = str(mine)
    with pytest.raises(UsageError, match=r"\[transforms\] rate_card: .*mine\.csv line 4: .* price already in line 3"):
        one.run()
    assert one.simulator.requests == []


def test_another_rate_card_prices_what_was_charged_before(one: Scene) -> None:
    created = one.clock.now() - timedelta(hours=1)
    one.world.add(created_at=created, started_at=created)
    one.run()
    assert {row["BilledCost"] for row in one.rows("focus_usage")} == {None}
    os.environ["TRANSFORMS__RATE_CARD"] = str(EXAMPLE)
    one.advance(minutes=15)
    one.run()
    charges = one.rows("focus_usage")
    assert {row["SkuId"] for row in charges} == {"gpu", "cpu", "memory"}
    assert all(row["BilledCost"] == row["ConsumedQuantity"] * row["ListUnitPrice"] > 0 for row in charges)


@pytest.mark.parametrize("seed", [7, 8])
def test_who_is_called_wasteful_is(tmp_path: Path, seed: int) -> None:
    """Few false alarms matter more than many finds; slices and interactive pods are the traps."""
    config = WorldConfig(pods=400, start=START, seed=seed)
    with scene(tmp_path / "data", config=config, after=timedelta(days=9)) as here:
        here.run(metrics=NEEDED, since=here.clock.now() - timedelta(days=2), resolution=300)
        rows = {row["pod_id"]: row for row in here.rows("pod_efficiency")}
        truth = offered(here.world, here.clock.now())
        found = scores(
            {pod_id: row["waste_class"] for pod_id, row in rows.items()},
            {pod_id: pod.waste for pod_id, pod in truth.items()},
        )
        print("\n".join(lines(found)))
        assert found["any"].planted > 10
        assert found["any"].precision == 1
        assert found["any"].recall >= 0.75
        slices = {rows[pod_id]["waste_class"] for pod_id, pod in truth.items() if pod.pod.workload.request.mig}
        assert slices <= UNJUDGED
        assert all((row["advice"] is None) == (row["waste_class"] in TELLING_NOTHING) for row in rows.values())
        many = here.rows("pod_efficiency")
        rebuild(here.settings())
        assert here.rows("pod_efficiency") == many
