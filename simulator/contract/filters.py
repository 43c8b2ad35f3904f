"""One condition of `filterBy`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from simulator.instants import parse_rfc3339

DATES: Final = frozenset({"createdAt", "completedAt", "deletedAt"})
_CONDITION: Final = re.compile(r"(\w+)(==|!=|<=|>=|=@|!@|=\^|=\$)(.+)", re.DOTALL)


@dataclass(frozen=True)
class Filter:
    """Column, operator and value; the value of a date column is an instant in microseconds."""

    column: str
    operator: str
    value: str | int


def parse_filter(text: str) -> Filter:
    """Read a condition; a bad shape, or a date that is not RFC 3339, is a ValueError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition")
    column, operator, value = found.groups()
    return Filter(column, operator, parse_rfc3339(value) if column in DATES else value)
