"""The charts themselves: what is drawn is as long as the number says, and what nobody knows is not drawn as nothing."""

from __future__ import annotations

import re
import sys
from math import nan
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.transforms.raw_files import Row
from transforms import ReportFailed
from transforms.report import charts
from transforms.report.charts import draw

HATCHED = "url(#unknown)"


def hours(used: float | None, idle: float | None, unknown: float | None, **more: Any) -> Row:
    known = [number for number in (used, idle, unknown) if number is not None]
    row = {"used": used, "idle": idle, "unknown": unknown, "allocated": sum(known) if known else None}
    return row | {"unseen_pods": 0 if known else 1, "known_share": 0.5 if known else None} | more


def field(label: str, share: float | None, known_share: float | None, **more: Any) -> Row:
    row = {"place": 1, "node_pool": "a100", "label": label, "share": share, "known_share": known_share}
    return row | {"allocated": 8.0, "unseen_pods": 0} | more


def drawn(chart: str, rows: list[Row], days: list[Row] | None = None) -> list[ET.Element]:
    """Both drawings of one chart, narrow and wide."""
    found = {"days": days or [], "projects": [], "waits": [], "pool_days": []} | {chart: rows}
    return list(ET.fromstring(f"<both>{draw(found)[chart]}</both>"))  # noqa: S314 - it is our own.


def shapes(svg: ET.Element) -> list[tuple[str, float, float]]:
    """Colour, width and height of each bar or field, in the order in which they are drawn."""
    found = []
    for path in svg.iter("path"):
        size = re.fullmatch(r"M[-.\d]+,[-.\d]+h([.\d]+)v([.\d]+)h-[.\d]+Z", path.attrib["d"])
        if size and path.attrib.get("fill", "transparent") not in {"transparent", "none"}:
            found.append((path.attrib["fill"], float(size[1]), float(size[2])))
    return found


def texts(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter("text")]


DAYS = [hours(3, 1, 2, label="1 Jul"), hours(0, 0, 6, label="2 Jul"), hours(None, None, None, label="3 Jul")]


def test_columns_are_as_high_as_their_hours() -> None:
    for svg in drawn("days", DAYS):
        # The axis ends at 6 hours, 200 pixels above 0.
        bars = sorted((colour, round(height * 6 / 200, 6)) for colour, _, height in shapes(svg))
        assert bars == [(HATCHED, 2), (HATCHED, 6), ("var(--idle)", 1), ("var(--used)", 3)]


def test_a_day_of_which_nobody_saw_anything_has_a_mark_and_no_bar() -> None:
    nothing = hours(None, None, None, label="4 Jul", unseen_pods=None)
    for svg in drawn("days", [*DAYS, nothing]):
        assert texts(svg).count("–") == 1
        assert {"1 Jul", "2 Jul", "3 Jul", "4 Jul"} <= set(texts(svg))


def test_bars_of_projects_add_up() -> None:
    rows = [hours(1, 2, 1, project="a", more=None), hours(0, 1, 0, project="b", more=None)]
    unseen = hours(None, None, None, project="c", more=None)
    more = hours(100, 100, 100, project=None, more=7)
    for svg, width in zip(drawn("projects", [*rows, unseen, more]), (330, 500), strict=True):
        bars = sorted((colour, round(long * 4 / width, 6)) for colour, long, _ in shapes(svg))
        assert bars == [(HATCHED, 1), ("var(--idle)", 1), ("var(--idle)", 2), ("var(--used)", 1)]
        assert texts(svg) == ["a", "b", "c", "2.0 idle", "1.0 idle", "– not seen"]


@pytest.mark.parametrize("start", range(3))
@pytest.mark.parametrize("letter", ["\U0001f600", "\u6f22", "W", "\ue000", "\ufffd"])
def test_a_name_that_is_too_long_for_its_place_is_cut_between_letters(letter: str, start: int) -> None:
    # How wide a letter is depends on the fonts of the machine, but in none that has it is a W narrow.
    called = (f"{letter}WW\U0001f680WW" * 5)[start:][:27]
    narrow, wide = (texts(svg)[0] for svg in drawn("projects", [hours(1, 2, 1, project=called, more=None)]))
    assert 9 < len(narrow) < len(called)
    assert narrow.endswith("…")
    assert all(called.startswith(text.removesuffix("…")) for text in (narrow, wide))


def test_waits_share_one_scale() -> None:
    rows: list[Row] = [
        {"is_all": True, "node_pool": None, "median_seconds": 9999.0, "p95_seconds": 9999.0},
        {"is_all": False, "node_pool": "a100", "median_seconds": 60.0, "p95_seconds": 240.0},
        {"is_all": False, "node_pool": None, "median_seconds": nan, "p95_seconds": None},
    ]
    for svg, width in zip(drawn("waits", rows), (330, 500), strict=True):
        bars = [(colour, round(long / width, 6)) for colour, long, _ in shapes(svg)]
        assert bars == [("var(--beyond)", 1), ("var(--used)", 0.25)]
        assert texts(svg) == ["a100", "no node pool known", "1 min, 95th 4 min", "– starts not known"]


def test_the_heat_map_tells_nothing_used_from_nobody_knows() -> None:
    fields = [
        field("1 Jul", 0.0, 1.0),
        field("2 Jul", 0.3, 0.4),
        field("3 Jul", None, 0.0),
        field("4 Jul", None, None, allocated=None, unseen_pods=2),
        field("5 Jul", None, None, allocated=None, unseen_pods=None),
    ]
    narrow, wide = drawn("pool_days", fields, days=[{"label": row["label"], **hours(1, 0, 0)} for row in fields])
    colours = ["var(--shade0)", "var(--shade2)", HATCHED, "var(--panel)", "var(--panel)"]

    for svg in (narrow, wide):
        assert [colour for colour, _, _ in shapes(svg)] == colours
        # What is known for less than half has a rim.
        assert [path.attrib["stroke"] for path in svg.iter("path") if "stroke" in path.attrib] == ["var(--paper)"]
        assert texts(svg).count("a100") == 1
    assert {"0", "30", "–"} < set(texts(wide))
    assert [title.text for title in wide.iter("title")][1:3] == [
        "a100, 2 Jul: 30 % used, known for 40 % of 8.0 GPU-hours",
        "a100, 3 Jul: no sample covers these hours",
    ]


def test_one_drawing_is_for_phones_and_its_words_are_no_smaller() -> None:
    days = [hours(1, 1, 1, label=f"day {number}") for number in range(30)]
    narrow, wide = drawn("days", days)
    spans = [float(svg.attrib["viewBox"].split()[2]) for svg in (narrow, wide)]

    assert [svg.attrib["class"] for svg in (narrow, wide)] == ["narrow", "wide"]
    assert [300 < spans[0] < 400, 800 < spans[1] < 900] == [True, True]
    sizes = {text.attrib["font-size"] for svg in (narrow, wide) for text in svg.iter("text")}
    assert sizes == {"12px"}
    labels = [[text for text in texts(svg) if text.startswith("day")] for svg in (narrow, wide)]
    assert [len(shown) for shown in labels] == [5, 10]
    assert all("day 29" in shown for shown in labels)


def test_what_cannot_be_drawn_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "_read", lambda _: {"mark": "nonsense"})
    with pytest.raises(ReportFailed, match="the charts could not be drawn: TypeError: Cannot read"):
        drawn("days", DAYS)


def test_a_program_that_cannot_be_started_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/there/is/no/python")
    with pytest.raises(ReportFailed, match=r"the charts could not be drawn: .*No such file"):
        drawn("days", DAYS)


def test_a_picture_that_is_no_xml_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "_drawn", lambda asked: ["<svg version='1'><g>"] * len(asked))
    with pytest.raises(ReportFailed, match="the charts could not be drawn: no element found"):
        drawn("days", DAYS)


def test_nothing_to_show_is_no_picture() -> None:
    assert set(draw({"days": [], "projects": [], "waits": [], "pool_days": []}).values()) == {""}
