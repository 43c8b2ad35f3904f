"""A sample of the scene with readers: three of them, over a few publications."""

from __future__ import annotations

import pytest

from tests.trust.readers import Seen, watch
from transforms import models


@pytest.mark.timeout(300)
def test_readers_see_one_generation_at_a_time_and_keep_nobody_waiting() -> None:
    # What is wrong from the second generation on shows to the one that keeps it, when the third one comes.
    seen = watch(runs=2, reads=4, readers=("link", "parquet", "kept"), alone=2)
    assert (seen.errors[:3], seen.torn[:3]) == ([], [])
    assert seen.reads >= 4
    assert seen.published == len(seen.alone) + len(seen.beside) >= 4
    # The one that keeps its transaction stays with the generation it found, the others follow the link.
    assert len(seen.generations) >= 2
    assert len(seen.transactions) == 1
    assert sorted(seen.gone) == sorted(model.name for model in models.series())
    assert all("No files found that match the pattern" in text for text in seen.gone.values())


def test_a_run_that_waits_for_readers_is_told() -> None:
    met = {goal.what: goal.is_met for goal in Seen(alone=[1.0], beside=[90.0], transactions={1, 2}).goals()}
    assert not met["median run beside readers to alone"]
    assert not met["runs during one open transaction"]
