"""The page itself: answers into HTML, every text escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from transforms.report import charts, words
from transforms.report.answers import Row, answers

_HERE: Final = Path(__file__).parent
_CLASSES: Final = {
    "idle_held": "idle",
    "memory_parked": "memory parked",
    "low_sm": "hardly used",
    "over_requested_cpu": "too many CPUs requested",
    "over_requested_memory": "too much memory requested",
    "waiting": "waiting",
}
_ENDS: Final = ("succeeded", "failed", "completed", "deleted", "vanished")


def render(con: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any], *, with_charts: bool = True) -> str:
    """Return the page as HTML; its tables hold all that its charts show.

    `con` reads the published tables; of the manifest, `version`, `as_of`, `published_at`, `time_zone` and `warnings`
    are told. Raises ReportFailed where the charts cannot be drawn.
    """
    found = answers(con, as_of=manifest["as_of"], time_zone=manifest["time_zone"])
    waits = found["waits"]
    page = _environment().get_template("page.html")
    return page.render(
        manifest=manifest,
        charts=charts.draw(found) if with_charts else {},
        total=found["totals"][0],
        days=found["days"],
        projects=found["projects"],
        wait=next((row for row in waits if row["is_all"]), None),
        waits=[row for row in waits if not row["is_all"]],
        pools=_by_pool(found["pool_days"]),
        pods=found["pods"],
        freshness=found["freshness"][0],
        metrics=found["metrics"],
        classes=_CLASSES,
        ends=_ENDS,
    )


def _by_pool(rows: list[Row]) -> list[list[Row]]:
    """The rows of each pool, a row a day, largest pool first."""
    return [list(days) for _, days in groupby(rows, key=lambda row: row["place"])]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["known"] = words.is_known
    environment.filters |= {"name": words.name, "say": words.say}
    return environment
