"""What the marts make of a whole world, against the simulator's truth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from simulator import Switches
from tests.behaviour.lives import lifecycle_differences
from tests.behaviour.scene import Scene, scene


@pytest.fixture
def here(tmp_path: Path, destination: str) -> Iterator[Scene]:
    """A world whose control plane still tells what pods held that are over."""
    with scene(tmp_path / "data", destination, switches=Switches(keeps_allocation=True)) as made:
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
