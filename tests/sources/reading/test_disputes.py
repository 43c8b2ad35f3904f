from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from sources.runai.reading.disputes import Days, Difference, Dispute, disputes, is_within

START = datetime(2026, 1, 5, tzinfo=UTC)
FIVE, SIX, SEVEN = (date(2026, 1, day) for day in (5, 6, 7))
ONE_MORE = Difference(alive=1)
HOUR = timedelta(hours=1)


def found(*compared: tuple[Days, Difference]) -> list[Dispute]:
    """Disputes after comparisons an hour apart."""
    return disputes((days, difference, START + n * HOUR) for n, (days, difference) in enumerate(compared))


def test_a_difference_that_stays_is_one_dispute() -> None:
    assert found(*[((FIVE, FIVE), ONE_MORE)] * 3) == [Dispute((FIVE, FIVE), ONE_MORE, START, START + 2 * HOUR)]


def test_a_difference_that_changes_begins_anew() -> None:
    other = Difference(alive=1, deleted=-1)
    compared = found(((FIVE, FIVE), ONE_MORE), ((FIVE, FIVE), other))
    assert compared == [Dispute((FIVE, FIVE), other, START + HOUR, START + HOUR)]


def test_what_agrees_again_is_no_dispute() -> None:
    assert found(((FIVE, FIVE), ONE_MORE), ((FIVE, FIVE), Difference())) == []
    assert found(((FIVE, FIVE), ONE_MORE), ((None, SIX), Difference())) == []


def test_a_day_that_agrees_does_not_settle_the_stretch_around_it() -> None:
    assert [dispute.days for dispute in found(((FIVE, SEVEN), ONE_MORE), ((SIX, SIX), Difference()))] == [(FIVE, SEVEN)]


def test_of_disputes_that_overlap_the_last_counts() -> None:
    assert [dispute.days for dispute in found(((FIVE, SEVEN), ONE_MORE), ((SIX, SIX), ONE_MORE))] == [(SIX, SIX)]
    assert len(found(((FIVE, FIVE), ONE_MORE), ((SIX, SIX), ONE_MORE))) == 2


def test_waits_double_up_to_a_day() -> None:
    readings, last = [START], START
    for hour in range(24 * 5):
        now = START + hour * HOUR
        if Dispute((FIVE, FIVE), ONE_MORE, START, last).is_due(now):
            readings.append(now)
            last = now
    hours = [(one - other) / HOUR for other, one in pairwise(readings)]
    assert hours == [1, 2, 4, 8, 16, 24, 24, 24]


@pytest.mark.parametrize("compared_after", [1, 5, 9])
def test_a_comparison_in_between_does_not_put_off_the_next_reading(compared_after: int) -> None:
    dispute = Dispute((FIVE, FIVE), ONE_MORE, START, START + (15 + compared_after) * HOUR)
    assert not dispute.is_due(START + 30 * HOUR)
    assert dispute.is_due(START + 31 * HOUR)


@pytest.mark.parametrize(
    ("days", "others", "inside"),
    [
        ((FIVE, FIVE), (None, None), True),
        ((FIVE, SIX), (FIVE, SIX), True),
        ((FIVE, None), (FIVE, SIX), False),
        ((None, FIVE), (FIVE, FIVE), False),
        ((SIX, SIX), (SEVEN, None), False),
    ],
)
def test_days_within_days(days: Days, others: Days, inside: bool) -> None:
    assert is_within(days, others) is inside
