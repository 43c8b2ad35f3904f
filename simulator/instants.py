"""Instants as whole microseconds since the epoch, and their spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

NEVER: Final = 2**62
"""Later than every instant: what has no end, or has not happened."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # its text needs no zone cut off
_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)",
    re.ASCII,
)

Style = Literal["T", "space"]


def micros(moment: datetime) -> int:
    """Microseconds since the epoch; a datetime without a zone is a ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(instant: int) -> datetime:
    """The UTC datetime of an instant; `NEVER` has none, and is an OverflowError."""
    return EPOCH + timedelta(microseconds=instant)


def parse_rfc3339(text: str) -> int:
    """Microseconds since the epoch of a strict RFC 3339 text; anything else is a ValueError."""
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no RFC 3339 instant")
    day, time, fraction, zone = found.groups()
    offset = "+00:00" if zone == "Z" else zone
    return micros(datetime.fromisoformat(f"{day}T{time}.{(fraction or '')[:6]:0<6}{offset}"))


@dataclass(frozen=True)
class Stamps:
    """How instants are written: 0–9 fraction digits, cut and never rounded; Go drops the zeros at their end."""

    digits: int = 3
    style: Style = "T"
    trim: bool = False

    def one(self, instant: int) -> str:
        """The text of one instant."""
        return self._cut((_NAIVE_EPOCH + timedelta(microseconds=instant)).isoformat(timespec="microseconds"))

    def many(self, instants: npt.NDArray[np.int64]) -> list[str]:
        """The texts of an array of instants."""
        return [
            self._cut(text) for text in np.datetime_as_string(instants.astype("datetime64[us]"), unit="us").tolist()
        ]

    def _cut(self, text: str) -> str:
        end = 20 + self.digits if self.digits else 19
        text = text[:end].ljust(end, "0")
        if self.trim and self.digits:
            text = text.rstrip("0").rstrip(".")
        return text.replace("T", " ") if self.style == "space" else text + "Z"
