"""A sample that was given, or that a run could have had, is not lost for whatever reason is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from simulator import Switches, WorldConfig
from simulator.instants import SECOND, micros
from sources.runai.catalogue import BASIC
from tests.behaviour.samples import HISTOGRAMS, true_samples
from tests.behaviour.scene import START, Scene, scene
from tests.trust.had import Keeping, Offer, Reading, lost_instants

STEP = 300


def play(here: Scene, *hours: float) -> Offer:
    """Run so many hours apart; of the first runs, every answer lacks a type."""
    readings = []
    for number, gap in enumerate(hours):
        here.advance(hours=gap)
        here.simulator.switches = Switches(partial_metrics=float(number < len(hours) - 1))
        begin = here.clock.now()
        here.run(metrics="basic", resolution=STEP)
        readings.append(Reading(begin, here.clock.now(), frozenset(BASIC)))
    return Offer(here, readings, Keeping(), STEP * SECOND)


def test_what_an_answer_lacks_is_asked_for_until_it_is_there(tmp_path: Path) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=20, start=START)) as here:
        since = here.clock.now() - timedelta(days=1)
        offer = play(here, 0, 30)
        truth = true_samples(here, since, here.clock.now(), BASIC, STEP)
        lost = lost_instants(here, truth, HISTOGRAMS.empty_table())
        assert offer.avoidable_losses(lost, ()) == []
        assert len(truth) > 1000


@pytest.mark.parametrize(
    ("hours", "metric", "said"),
    [
        # Either there was no time to have it again, or there was.
        ((0, 0.5), BASIC[0], []),
        ((0, 2), BASIC[0], ["were not asked for again after 1 h"]),
        ((0, 30), BASIC[0], ["were not asked for again after 1 h", "were not asked for again after 24 h"]),
        ((0, 0.5), BASIC[1], ["were given"]),
        ((0, 0.5), BASIC[-1], ["were never asked for"]),
    ],
    ids=["too soon", "an hour", "a day", "given", "never asked for"],
)
def test_what_came_short_and_was_not_asked_for_again_is_told(
    tmp_path: Path, hours: tuple[float, ...], metric: str, said: list[str]
) -> None:
    with scene(tmp_path / "data", config=WorldConfig(pods=0, start=START)) as here:
        created = here.clock.now() - timedelta(hours=5)
        (pod,) = here.world.add(kind="training", created_at=created, started_at=created)
        offer = play(here, *hours)
        # As if nothing had been asked for but once, and two types alone.
        answered = [seen for seen in here.simulator.requests if seen.given and BASIC[0] in seen.given.asked]
        assert answered[0].given is not None
        answered[0].given = replace(answered[0].given, asked=BASIC[:2], served=BASIC[1:2])
        here.simulator.requests = answered[:1]
        instant = micros(created + timedelta(hours=3)) // (STEP * SECOND) * STEP * SECOND
        found = offer.avoidable_losses({(pod.id, metric): np.array([instant])}, ())
        assert [line.partition(": 1 ")[2].partition(", ")[0] for line in found] == said
        assert offer.avoidable_losses({(pod.id, metric): np.array([instant])}, {pod.id}) == []
        off = replace(offer, off={(pod.id, metric)}).avoidable_losses({(pod.id, metric): np.array([instant])}, ())
        assert len(off) == said.count("were given")
