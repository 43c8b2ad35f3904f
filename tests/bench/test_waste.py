"""Precision and recall, on a handful of pods."""

from __future__ import annotations

import pytest

from bench.waste import Score, lines, scores

PLANTED = {"a": "idle_held", "b": "idle_held", "c": "low_sm", "d": None, "e": "low_sm", "f": "low_sm"}
SAID = {
    "a": "idle_held",
    "b": "healthy",
    "c": "idle_held",
    "d": "low_sm",
    "e": "unknown",
    "f": "low_sm",
    "strange": "low_sm",
}


def test_what_nobody_could_judge_is_neither_found_nor_missed() -> None:
    found = scores(SAID, PLANTED)
    assert found == {"idle_held": Score(2, 1, 2), "low_sm": Score(2, 1, 2), "any": Score(4, 3, 4)}
    assert (found["any"].precision, found["any"].recall) == (0.75, 0.75)
    assert lines(found)[2] == "| `idle_held` | 2 | 2 | 1 | 0.50 | 0.50 |"


@pytest.mark.parametrize("score", [Score(0, 0, 0)])
def test_nothing_found_of_nothing_planted_is_perfect(score: Score) -> None:
    assert (score.precision, score.recall) == (1, 1)
