"""The charts of the page: the Vega-Lite specifications of `charts/`, drawn without a browser, a script or a network.

Their colours are the variables of the page's style: a chart follows its theme, in print too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from markupsafe import Markup

from transforms.errors import ReportFailed
from transforms.report.answers import Row
from transforms.report.words import is_known, name, say, shade

_HERE: Final = Path(__file__).parent / "charts"
_HOURS: Final = ("used", "idle", "unknown")
# Two drawings of each, of which the style shows one, for text that shrinks cannot be read. Widths in pixels.
_NARROW: Final = 330
_WIDE: Final = {"days": 840, "projects": 500, "waits": 500, "pool_days": 880}
_LABEL: Final = 66
"""Pixels that a day's label has to itself."""
# Attributes that the library writes and no reader needs: the page says once what the picture shows.
_SUPERFLUOUS: Final = ("aria-hidden", "aria-roledescription", "class", "pointer-events", "role")
# The library measures a text that is too long for its place again and again: names come to it cut.
_NAME_LENGTH: Final = 28
_LAST_OF_ONE_UNIT: Final = 0xFFFF
# Unicode's private letters: of one unit, and in no name that anybody could read.
_PRIVATE: Final = range(0xE000, 0xF900)


def draw(found: Mapping[str, Sequence[Row]]) -> dict[str, Markup]:
    """Return each chart as SVG, by its name, from the rows of the queries; one without anything to show is empty.

    Raises ReportFailed where one cannot be drawn.
    """
    days = [row["label"] for row in found["days"]]
    rows = {
        "days": [_day(row) for row in found["days"]] if any(row["allocated"] for row in found["days"]) else [],
        "projects": [_project(*at) for at in enumerate(row for row in found["projects"] if not row["more"])],
        "waits": [_wait(*at) for at in enumerate(row for row in found["waits"] if not row["is_all"])],
        "pool_days": [_pool_day(row, days[0]) for row in found["pool_days"]],
    }
    wanted = {
        (chart, look): _specification(chart, shown, days, width)
        for chart, shown in rows.items()
        for look, width in (("narrow", _NARROW), ("wide", _WIDE[chart]))
        if shown
    }
    drawn = dict.fromkeys(rows, Markup())
    try:
        for (chart, look), svg in zip(wanted, _drawn(list(wanted.values())), strict=True):
            drawn[chart] += _cleaned(svg, look)
    except (OSError, ET.ParseError) as error:
        raise ReportFailed(f"the charts could not be drawn: {error}") from error
    return drawn


def _day(row: Row) -> Row:
    is_unseen = row["allocated"] is None and bool(row["unseen_pods"])
    return _known(row, *_HOURS) | {"label": row["label"], "is_unseen": is_unseen, "told": _told(row["label"], row)}


def _project(place: int, row: Row) -> Row:
    called = name(row["project"] or "no project given")
    said = f"{say(row['idle'], 'hours')} idle" if row["known_share"] else "– idle"
    if row["allocated"] is None:
        said = "– not seen"
    shown = {"place": place, "name": name(called, _NAME_LENGTH), "said": said, "told": _told(called, row)}
    return _known(row, *_HOURS) | shown


def _wait(place: int, row: Row) -> Row:
    called = _pool(row)
    said = "– starts not known"
    if is_known(row["p95_seconds"]):
        said = f"{say(row['median_seconds'], 'wait')}, 95th {say(row['p95_seconds'], 'wait')}"
    shown = {"place": place, "name": name(called, _NAME_LENGTH), "said": said, "told": f"{called}: {said}"}
    return _known(row, "median_seconds", "p95_seconds") | shown


def _pool_day(row: Row, first_day: str) -> Row:
    kind, said, told = _use(row)
    return {
        "place": row["place"],
        "label": row["label"],
        "name": _pool(row) if row["label"] == first_day else "",
        "kind": kind,
        "said": said,
        "is_thin": is_known(row["share"]) and row["known_share"] < 0.5,
        "told": f"{_pool(row)}, {row['label']}: {told}",
    }


def _use(row: Row) -> tuple[str, str, str]:
    """Which colour a field of the heat map has, what stands in it, and what it tells whoever points at it."""
    if is_known(row["share"]):
        percent, known = say(row["share"], "percent"), say(row["known_share"], "percent")
        told = f"{percent} used, known for {known} of {say(row['allocated'], 'hours')} GPU-hours"
        return str(shade(row["share"])), percent.removesuffix(" %").replace("under ", "<"), told
    if row["allocated"]:
        return "unknown", "", "no sample covers these hours"
    if row["unseen_pods"]:
        return "unseen", "–", "nobody saw an allocation"
    return "none", "", "no pod held a GPU"


def _pool(row: Row) -> str:
    return name(row["node_pool"] or "no node pool known")


def _told(called: str, row: Row) -> str:
    hours = [f"{say(row[kind], 'hours')} {kind}" for kind in _HOURS if is_known(row[kind])]
    return f"{called}: {', '.join(hours) or 'no GPU-hours'}"


def _known(row: Row, *columns: str) -> Row:
    """These columns, null where there is no number: JSON has no word for NaN and the infinities."""
    return {column: row[column] if is_known(row[column]) else None for column in columns}


def _specification(chart: str, rows: list[Row], days: list[str], width: int) -> dict[str, Any]:
    spec = _read(chart) | {"config": _read("theme"), "width": width, "data": {"values": rows}}
    # From the last day backwards, as many as there is room for.
    labels = days[:: -1 - len(days) // (width // _LABEL)]
    spec["params"] = [*spec.get("params", []), {"name": "days", "value": days}, {"name": "labels", "value": labels}]
    return spec


def _drawn(specifications: list[dict[str, Any]]) -> list[str]:
    """The SVG of each specification, as the program `vega.py` draws it."""
    if not specifications:
        return []
    asked = json.dumps(specifications, ensure_ascii=False)
    whole = _whole_letters(asked)
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", str(_HERE.with_name("vega.py"))],
        input=asked.translate(whole),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        # Where it was raised is indented.
        said = [line for line in done.stderr.splitlines() if line and line.lstrip() == line]
        raise ReportFailed(f"the charts could not be drawn: {said[-1] if said else f'exit code {done.returncode}'}")
    svgs: list[str] = json.loads(done.stdout)
    back = {stand_in: letter for letter, stand_in in whole.items()}
    return [svg.translate(back) for svg in svgs]


def _whole_letters(text: str) -> dict[int, int]:
    """A letter that the text does not use for each one in it that the library may cut in two, which it cannot draw.

    It cuts what is too long for its place between units of UTF-16; an emoji is two of these.
    """
    used = set(map(ord, text))
    cut = sorted(letter for letter in used if letter > _LAST_OF_ONE_UNIT)
    # More than there are stand-ins are on no page: its names are few and short.
    return dict(zip(cut, (letter for letter in _PRIVATE if letter not in used), strict=False))


def _cleaned(svg: str, look: str) -> Markup:
    """The part that HTML needs: no namespace, no size, and where there is something to point with, a title per mark."""
    root = ET.fromstring(f"<svg{svg[svg.index(' version=') :]}")  # noqa: S314 - the library wrote it.
    for shape in list(root.iter()):
        told = shape.attrib.pop("aria-label", None)
        if told and look == "wide":
            ET.SubElement(shape, "title").text = told
        for attribute in _SUPERFLUOUS:
            shape.attrib.pop(attribute, None)
    for attribute in ("version", "width", "height"):
        del root.attrib[attribute]
    root.set("class", look)
    # Safe, for it was read as XML, and every text in it is escaped again.
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704


def _read(specification: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((_HERE / f"{specification}.json").read_text(encoding="utf-8"))
    return read
