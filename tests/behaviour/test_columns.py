"""What differs is told by its column, and so is a column of which nobody says what it must be."""

from __future__ import annotations

import pytest

from tests.behaviour.columns import Row, column_differences, row_differences


@pytest.mark.parametrize(
    ("told", "wanted", "said"),
    [
        ({"hours": 0.1 + 0.2}, {"hours": 0.3}, []),
        ({"hours": 0.3001}, {"hours": 0.3}, ["a.hours: 0.3001, not 0.3"]),
        ({"hours": None}, {"hours": 0.0}, ["a.hours: None, not 0.0"]),
        ({"hours": 0.0}, {"hours": None}, ["a.hours: 0.0, not None"]),
        ({"hours": 1, "mood": None}, {"hours": 1}, ["a.mood: None, which nobody judges"]),
        ({"hours": 1}, {"hours": 1, "mood": None}, ["a.mood: no such column"]),
    ],
)
def test_a_column_is_as_it_must_be_or_is_told(told: Row, wanted: Row, said: list[str]) -> None:
    assert column_differences("a", told, wanted) == said
    assert column_differences("a", told, wanted, without=("hours", "mood")) == []


def test_rows_that_are_lost_or_made_up_are_told() -> None:
    told, wanted = {"a": {"hours": 1}, "b": {"hours": 1}}, {"b": {"hours": 2}, "c": {"hours": 1}}
    assert sorted(row_differences(told, wanted)) == ["a: made up", "b.hours: 1, not 2", "c: lost"]
