"""Frames keep what is missing missing: no hour becomes a zero on its way into a chart."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from notebooks import charts
from notebooks.frames import in_kinds, say, totals, with_gaps


def usage(**columns: list[Any]) -> pd.DataFrame:
    """Rows of `gpu_usage_daily`, all of it 0 unless told."""
    length = len(next(iter(columns.values())))
    names = [f"{kind}_gpu_hours" for kind in ("allocated", "used", "idle", "unknown", "unseen")]
    return pd.DataFrame({"day": ["one"] * length} | dict.fromkeys([*names, "unseen_pods"], [0.0] * length) | columns)


def samples(*minutes: int, gpu: str = "0") -> pd.DataFrame:
    at = pd.Timestamp("2026-07-01", tz="UTC") + pd.to_timedelta(list(minutes), unit="min")
    return pd.DataFrame({"gpu": gpu, "sampled_at": at, "value": 1.0, "unit": "percent"})


def row(hours: pd.DataFrame) -> dict[str, float | None]:
    (only,) = hours.drop(columns="day").to_dict("records")
    return {str(name): None if math.isnan(value) else value for name, value in only.items()}


def test_hours_are_added_and_of_some_of_them_the_use_is_known() -> None:
    hours = totals(
        usage(allocated_gpu_hours=[6, 4], used_gpu_hours=[1, 2], idle_gpu_hours=[2, 0], unknown_gpu_hours=[3, 2]), "day"
    )
    assert row(hours) == {"allocated": 10, "used": 3, "idle": 2, "unknown": 5, "unseen": 0, "coverage": 0.5}


def test_hours_without_a_sample_are_neither_used_nor_idle() -> None:
    hours = totals(usage(allocated_gpu_hours=[4], unknown_gpu_hours=[4]), "day")
    assert row(hours) == {"allocated": 4, "used": None, "idle": None, "unknown": 4, "unseen": 0, "coverage": 0}
    assert list(in_kinds(hours)["kind"]) == ["unknown"]


def test_hours_of_which_no_allocation_was_seen_are_not_nothing() -> None:
    hours = totals(usage(unseen_pods=[2], unseen_gpu_hours=[7.5]), "day")
    assert {name for name, value in row(hours).items() if value is not None} == {"unseen"}
    assert in_kinds(hours).empty


def test_what_only_waited_held_nothing() -> None:
    assert row(totals(usage(unseen_pods=[0]), "day"))["allocated"] == 0


def test_a_measured_zero_is_a_zero() -> None:
    hours = totals(usage(allocated_gpu_hours=[4], idle_gpu_hours=[4]), "day")
    assert (row(hours)["used"], row(hours)["coverage"]) == (0, 1)


def test_a_project_without_a_name_counts_too() -> None:
    hours = totals(usage(allocated_gpu_hours=[4, 1], project_name=["a", None]), "project_name")
    assert hours["allocated"].sum() == 5


def test_kinds_of_hours_are_drawn_in_their_order() -> None:
    hours = totals(usage(allocated_gpu_hours=[3], used_gpu_hours=[1], idle_gpu_hours=[1], unknown_gpu_hours=[1]), "day")
    assert list(in_kinds(hours).sort_values("place")["kind"]) == ["used", "idle", "unknown"]


def test_a_line_breaks_where_samples_are_missing_and_only_there() -> None:
    drawn = with_gaps(samples(0, 1, 2, 4, 5, 9))
    assert [int(minute) for minute in drawn["sampled_at"].dt.minute] == [0, 1, 2, 4, 5, 8, 9]
    assert list(drawn["value"].isna()) == [False] * 5 + [True, False]


def test_lines_of_several_gpus_do_not_meet() -> None:
    drawn = with_gaps(pd.concat([samples(50, 51, gpu="1"), samples(0, 1, gpu="0")]))
    assert list(drawn["gpu"]) == ["0", "0", "1", "1"]
    assert not drawn["value"].isna().any()


def test_a_single_sample_is_drawn() -> None:
    assert len(with_gaps(samples(3))) == 1


@pytest.mark.parametrize(
    ("value", "form", "text"), [(1234.56, ",.1f", "1,234.6"), (0.5, ".0%", "50%"), (0, ",.1f", "0.0")]
)
def test_numbers_are_said(value: float, form: str, text: str) -> None:
    assert say(value, form) == text


def test_a_missing_number_is_a_dash() -> None:
    assert say(math.nan) == "–"


def test_a_day_of_which_nothing_is_known_has_a_place_and_no_mark() -> None:
    held = totals(usage(allocated_gpu_hours=[4], unknown_gpu_hours=[4]), "day")
    days = pd.date_range("2026-07-01", periods=3, name="day")
    hours = held.assign(day=days[1]).set_index("day").reindex(days).reset_index()
    drawn = charts.by_day(hours).to_dict()

    assert drawn["encoding"]["x"]["scale"]["domain"] == ["2026-07-01", "2026-07-02", "2026-07-03"]
    assert drawn["encoding"]["y"]["field"] == "gpu_hours"
    (marks,) = drawn["datasets"].values()
    assert [(mark["day"], mark["kind"], mark["gpu_hours"]) for mark in marks] == [("2026-07-02", "unknown", 4)]
    colours = dict(zip(*(drawn["encoding"]["color"]["scale"][part] for part in ("domain", "range")), strict=True))
    assert len(set(colours.values())) == 3
