"""Rounds are interleaved, compared by their medians, and held against goals."""

from __future__ import annotations

from bench.child import Measured
from bench.rounds import Rounds


def rounds(**loads: list[float]) -> Rounds:
    table = Rounds({name: name.title() for name in loads})
    for name, seconds in loads.items():
        for load in seconds:
            table.add(name, Measured(load + 1, load / 2, 100, {"seconds": load, "pods": 7}), requests=3)
    return table


def test_every_contestant_takes_a_turn_in_each_round_and_none_is_always_first() -> None:
    turns = list(Rounds({"a": "", "b": "", "c": ""}).turns(3))
    assert [sorted(turns[start : start + 3]) for start in (0, 3, 6)] == [["a", "b", "c"]] * 3
    assert turns[::3] == ["a", "b", "c"]


def test_who_plays_once_sits_out_all_later_rounds() -> None:
    assert list(Rounds({"a": "", "b": ""}, once=["a"]).turns(3)) == ["a", "b", "b", "b"]


def test_the_median_is_not_moved_by_one_bad_round() -> None:
    assert rounds(a=[2, 90, 1]).median("a", "load") == 2


def test_the_table_shows_medians_and_ranges() -> None:
    lines = rounds(tuned=[10, 12, 8], ours=[1, 2, 4]).lines()
    assert lines[-1] == "| Ours | 3.00 (2.00–5.00) | 1.00 (0.50–2.00) | 2.00 (1.00–4.00) | 100 | 3 |"


def test_contestants_that_found_other_pods_are_told_apart() -> None:
    table = rounds(a=[1], b=[1])
    assert table.all("pods") == {7}
    table.add("b", Measured(1, 1, 1, {"seconds": 1, "pods": 8}), requests=1)
    assert table.all("pods") == {7, 8}
