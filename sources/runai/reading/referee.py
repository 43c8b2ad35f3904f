"""Hold the warehouse against the API's own counts, and find where they disagree.

Counts are asked with `createdAt` up to a minute before the reading began, so that pods born since do not count.
Deleted pods count within the purge horizon only. Whether plain lists include deleted pods is told by a probe, so that
none counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sources.runai.client import RunaiClient
from sources.runai.params import timestamp
from sources.runai.reading.disputes import NONE, Days, Difference, is_within, overlap
from sources.runai.reading.known import Expected
from sources.runai.reading.listing import Listing, count
from sources.runai.reading.observations import Observations

MOST_COUNTS: Final = 100
"""Counts that one run may spend on finding the days that disagree; the next run finds the others."""
ROTATION_DAYS: Final = 2
EVER: Final = "deletedAt>=2000-01-01T00:00:00.000000Z"

DAY: Final = timedelta(days=1)

EVERYTHING: Final[Days] = (None, None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the API counted over some days, and what the warehouse expected at that moment."""

    counted_at: datetime
    api: Expected
    expected: Expected

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return self.difference == NONE

    @property
    def difference(self) -> Difference:
        """How many pods more the API has; less than 0 are pods fewer."""
        return Difference(self.api.alive - self.expected.alive, self.api.deleted - self.expected.deleted)


@dataclass
class Referee:
    """Counts stretches of `createdAt` and compares them with what is expected.

    `in_vain` are the differences, by stretch, that are not worth another reading now.
    """

    client: RunaiClient
    seen: Observations
    as_of: datetime
    created_until: datetime
    deleted_since: datetime
    plain_has_deleted: bool
    asked: int = 0
    verdicts: dict[Days, Verdict] = field(default_factory=dict)
    in_vain: dict[Days, Difference] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Leave the disputes alone whose time has not come."""
        known = self.seen.known.disputes()
        self.in_vain |= {dispute.days: dispute.difference for dispute in known if not dispute.is_due(self.as_of)}

    def api(self, days: Days) -> Expected:
        """Ask how many pods the API lists that were created on the days: alive, and deleted within the horizon."""
        window = self._window(days)
        alive = count(self.client, window)
        if self.plain_has_deleted and alive:
            alive -= count(self.client, Listing(filters=(EVER,)).within(window.start, window.end))
            self.asked += 1
        deleted = count(self.client, self._deleted(window))
        self.asked += 2
        return Expected(alive, deleted)

    def agrees(self, days: Days) -> bool:
        """Whether the API's counts over the days are the expected ones; the latest answer is kept as the verdict."""
        api = self.api(days)
        self.verdicts[days] = Verdict(self.client.clock(), api, self.seen.expected(*days).nearest(api))
        return self.verdicts[days].agrees

    def is_settled(self, days: Days) -> bool:
        """Whether the counts over the days agree, or differ by just what was looked for in vain."""
        if self.agrees(days):
            return True
        in_vain = [difference for known, difference in self.in_vain.items() if is_within(known, days)]
        return self.verdicts[days].difference == Difference(*map(sum, zip(*in_vain, strict=True)))

    def give_up(self, days: Days) -> None:
        """Leave the difference alone that the latest comparison of the days found."""
        self.in_vain = {known: gap for known, gap in self.in_vain.items() if not overlap(known, days)}
        self.in_vain[days] = self.verdicts[days].difference

    def disagreeing(self, days: Days) -> Iterator[Days]:
        """Yield stretches that are not settled, down to the day: the newest day first, for most of them lie there."""
        inside = [day for day in self.seen.days() if _within(day, days)]
        if len(inside) <= 1:
            yield days
            return
        # The newest day by itself, then halves of the rest.
        middle = len(inside) - 1 if days[1] is None else len(inside) // 2
        newer: Days = (inside[middle], days[1])
        older: Days = (days[0], inside[middle] - DAY)
        for part in (newer, older):
            if self.asked >= MOST_COUNTS:
                return
            if not self.is_settled(part):
                yield from self.disagreeing(part)

    def rotation(self, as_of: datetime) -> list[Days]:
        """The few days that this run looks at though the sums agree, since differences can cancel."""
        days = self.seen.days()
        first = int(as_of.timestamp() // 3600) * ROTATION_DAYS
        return [(day, day) for day in {days[(first + i) % len(days)] for i in range(ROTATION_DAYS)}] if days else []

    def record(self, days: Days) -> Verdict:
        """Write the latest verdict on the days as rows of `pod_counts`, and return it."""
        verdict, window = self.verdicts[days], self._window(days)
        plain = f"{in_words(window)} less {EVER}" if self.plain_has_deleted else in_words(window)
        for words, api_count, warehouse_count in (
            (plain, verdict.api.alive, verdict.expected.alive),
            (in_words(self._deleted(window)), verdict.api.deleted, verdict.expected.deleted),
        ):
            row = {
                "counted_at": verdict.counted_at,
                "as_of": self.as_of,
                "is_whole": days == EVERYTHING,
                "filter": words,
                "api_count": api_count,
                "warehouse_count": warehouse_count,
            }
            self.seen.add("pod_counts", row, verdict.counted_at)
        return verdict

    def _window(self, days: Days) -> Listing:
        end = _end_of(days[1])
        until = self.created_until if end is None else min(end, self.created_until)
        return Listing().within(_midnight(days[0]), until)

    def _deleted(self, window: Listing) -> Listing:
        since = f"deletedAt>={timestamp(self.deleted_since)}"
        return Listing(deleted=True, filters=(since,)).within(window.start, window.end)


def plain_has_deleted(client: RunaiClient) -> bool:
    """Ask whether plain lists include deleted pods."""
    return count(client, Listing(filters=(EVER,))) > 0


def relist(days: Days) -> tuple[Listing, Listing]:
    """Return the lists that read the days again: plain, then deleted, so that a pod deleted meanwhile is in one."""
    first, last = days
    plain = Listing().within(_midnight(first), _end_of(last))
    return plain, replace(plain, deleted=True)


def in_words(listing: Listing) -> str:
    """Return what a count asks, as its query string without escapes."""
    params = {name: value for name, value in listing.count_params().items() if value is not None}
    return "&".join(f"{name}={str(value).lower() if value is True else value}" for name, value in params.items())


def day_bounds(days: Days) -> tuple[datetime, datetime]:
    """Return the half-open interval of the days."""
    first, last = days
    start = _midnight(first) or datetime.min.replace(tzinfo=UTC)
    return start, datetime.max.replace(tzinfo=UTC) if last is None or last == date.max else start_of(last + DAY)


def start_of(day: date) -> datetime:
    """Return the first instant of a UTC day."""
    return datetime.combine(day, time(), UTC)


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else start_of(day)


def _end_of(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.max, UTC)


def _within(day: date, days: Days) -> bool:
    return (days[0] is None or day >= days[0]) and (days[1] is None or day <= days[1])
