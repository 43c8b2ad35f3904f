"""How the page says numbers and names. What is not known never comes here: the page says a dash, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import floor, isfinite
from typing import Final

NAME_LENGTH: Final = 80
"""Characters of a name that are shown; of the rest nothing is in the page."""

_BLANKS: Final = re.compile(r"[\s\x1c-\x1f\u2028\u2029]+")
# Controls, what turns the direction of the text around it, what cannot be seen, and what no UTF-8 can hold.
_TRICKS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
# Beyond it somebody's typing error is told, in a few digits.
_ABSURD: Final = 1e12


def is_known(value: float | None) -> bool:
    """Whether there is a number: null, NaN and the infinities are none."""
    return value is not None and isfinite(value)


def name(text: str, length: int = NAME_LENGTH) -> str:
    """A text from outside on one line, cut, with a mark in place of every character that could play a trick."""
    line = _TRICKS.sub("\ufffd", _BLANKS.sub(" ", text[: length + 1]))
    return line if len(line) <= length else f"{line[: length - 1]}…"


def hours(value: float) -> str:
    """GPU-hours, such as `0`, `12.5` or `1,234`; what is there and rounds to nothing is `under 0.1`."""
    if 0 < value < 0.05:
        return "under 0.1"
    if value >= _ABSURD:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == 0 or value >= 1000 else f"{value:,.1f}"


def percent(share: float) -> str:
    """A share from 0 to 1 in percent: only all of it is 100 %, and only nothing is 0 %."""
    if 0 < share < 0.01:
        return "under 1 %"
    return f"{share if share >= 1 else min(share, 0.99):.0%}".replace("%", " %")


def wait(seconds: float) -> str:
    """A length of time in its two largest units, such as `45 s`, `12 min`, `2 h 5 min` or `3 d 4 h`."""
    minutes = floor(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else "under 1 s"
    hours_, minutes = divmod(minutes, 60)
    days, hours_ = divmod(hours_, 24)
    large = [(days, "d"), (hours_, "h"), (minutes, "min")]
    first = next(index for index, (number, _) in enumerate(large) if number)
    return " ".join(f"{number:,} {unit}" for number, unit in large[first : first + 2] if number)


def number(value: float) -> str:
    """A count, such as `1,234`, or a number of GPUs, such as `0.5`."""
    if value >= _ABSURD:
        return f"{value:.3g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


KINDS: Final[Mapping[str, Callable[[float], str]]] = {
    "hours": hours,
    "percent": percent,
    "wait": wait,
    "number": number,
}


def say(value: float, kind: str) -> str:
    """A number in the words of its kind."""
    return KINDS[kind](value)


def shade(share: float) -> int:
    """Which of the six colours of the heat map a share has: the first is for nothing, the last for all of it."""
    return 0 if share <= 0 else 5 if share >= 1 else 1 + floor(share * 4)
