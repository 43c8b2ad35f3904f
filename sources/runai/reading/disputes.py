"""Differences between the counts that earlier readings could not settle, and when they are worth another look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

FIRST_WAIT: Final = timedelta(hours=1)
LONGEST_WAIT: Final = timedelta(days=1)
"""A row that nobody can read makes a difference too, and its pod must not wait long once it can be read again."""

Days = tuple[date | None, date | None]
"""The first and last UTC day of a stretch of `createdAt`, both included; None is open."""


class Difference(NamedTuple):
    """The API's count less the expected one: of pods as plain lists show them, and of deleted ones."""

    alive: int = 0
    deleted: int = 0


NONE: Final = Difference()


@dataclass(frozen=True, slots=True)
class Dispute:
    """A stretch of days whose counts differ; every comparison from `since` to `last` found the same difference."""

    days: Days
    difference: Difference
    since: datetime
    last: datetime

    def is_due(self, as_of: datetime) -> bool:
        """Whether to read the stretch again now: the waits begin at `since`, and each is twice the one before."""
        wait, due = FIRST_WAIT, self.since + FIRST_WAIT
        while due <= self.last:
            wait = min(wait * 2, LONGEST_WAIT)
            due += wait
        return as_of >= due


def disputes(compared: Iterable[tuple[Days, Difference, datetime]]) -> list[Dispute]:
    """Return what is in dispute after comparisons of stretches, given from the oldest to the newest."""
    found: list[Dispute] = []
    for days, difference, as_of in compared:
        before = next((dispute for dispute in found if dispute.days == days), None)
        since = before.since if before is not None and before.difference == difference else as_of
        found = [dispute for dispute in found if not _is_over(dispute, days, difference)]
        if difference != NONE:
            found.append(Dispute(days, difference, since, as_of))
    return found


def _is_over(dispute: Dispute, days: Days, difference: Difference) -> bool:
    """Whether a later comparison takes a dispute's place: of two that overlap, only one may count."""
    return is_within(dispute.days, days) or (difference != NONE and overlap(dispute.days, days))


def is_within(days: Days, others: Days) -> bool:
    """Whether all of the days are among the others."""
    first, last = _bounds(days)
    begin, end = _bounds(others)
    return begin <= first and last <= end


def overlap(days: Days, others: Days) -> bool:
    """Whether any of the days is among the others."""
    first, last = _bounds(days)
    begin, end = _bounds(others)
    return first <= end and begin <= last


def _bounds(days: Days) -> tuple[date, date]:
    return days[0] or date.min, days[1] or date.max
