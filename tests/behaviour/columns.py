"""A row as it is told, held against the row as it must be, column by column."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isclose
from typing import Any

Row = dict[str, Any]


def column_differences(of: object, told: Row, wanted: Row, *, without: Collection[str] = ()) -> list[str]:
    """Say which columns are not what they must be, or of which nobody says what they must be."""
    columns = sorted((told.keys() | wanted.keys()) - set(without))
    return [f"{of}.{column}: {what}" for column in columns if (what := _difference(column, told, wanted))]


def row_differences(told: Mapping[Any, Row], wanted: Mapping[Any, Row], *, without: Collection[str] = ()) -> list[str]:
    """Say which rows, by their keys, are lost or made up, and which of their columns are wrong."""
    said = [f"{key}: {'lost' if key in wanted else 'made up'}" for key in told.keys() ^ wanted.keys()]
    for key in told.keys() & wanted.keys():
        said += column_differences(key, told[key], wanted[key], without=without)
    return said


def _difference(column: str, told: Row, wanted: Row) -> str | None:
    if column not in told:
        return "no such column"
    if column not in wanted:
        return f"{told[column]!r}, which nobody judges"
    return None if _are_same(told[column], wanted[column]) else f"{told[column]!r}, not {wanted[column]!r}"


def _are_same(told: Any, wanted: Any) -> bool:
    """Whether two values are equal, floats but for the order in which they were computed."""
    if isinstance(told, float) and isinstance(wanted, int | float):
        return isclose(told, wanted, rel_tol=1e-12, abs_tol=1e-6)
    return bool(told == wanted)
