"""Instants: read strictly, written in every spelling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.instants import NEVER, Stamps, micros, moment, parse_rfc3339

INSTANT = micros(datetime(2026, 2, 3, 4, 5, 6, 700_890, tzinfo=UTC))


@pytest.mark.parametrize(
    ("stamps", "text"),
    [
        (Stamps(), "2026-02-03T04:05:06.700Z"),
        (Stamps(digits=0), "2026-02-03T04:05:06Z"),
        (Stamps(digits=6), "2026-02-03T04:05:06.700890Z"),
        (Stamps(digits=9), "2026-02-03T04:05:06.700890000Z"),
        (Stamps(digits=3, trim=True), "2026-02-03T04:05:06.7Z"),
        (Stamps(digits=6, trim=True), "2026-02-03T04:05:06.70089Z"),
        (Stamps(digits=3, style="space"), "2026-02-03 04:05:06.700"),
    ],
)
def test_spellings(stamps: Stamps, text: str) -> None:
    assert stamps.one(INSTANT) == text
    assert stamps.many(np.array([INSTANT, INSTANT])) == [text, text]


def test_trimming_leaves_no_point_behind() -> None:
    assert Stamps(trim=True).one(INSTANT // 10**6 * 10**6) == "2026-02-03T04:05:06Z"


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # hypothesis
def test_round_trip(at: datetime) -> None:
    assert moment(micros(at)) == at
    assert parse_rfc3339(Stamps(digits=6).one(micros(at))) == micros(at)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-02-03T04:05:06Z", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06.5Z", datetime(2026, 2, 3, 4, 5, 6, 500_000, tzinfo=UTC)),
        ("2026-02-03T04:05:06.123456789Z", datetime(2026, 2, 3, 4, 5, 6, 123_456, tzinfo=UTC)),
        ("2026-02-03T04:05:06+02:00", datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_parsing(text: str, at: datetime) -> None:
    assert parse_rfc3339(text) == micros(at)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-02-03", "2026-02-03T04:05:06", "2026-02-03 04:05:06Z", "2026-02-03T04:05:06 00:00", "1770091506"),
        *(
            "2026-02-30T04:05:06Z",
            "2026-02-03T24:05:06Z",
            "2026-02-03T04:05Z",
            "2026-02-03T04:05:06.Z",
            "٢٠٢٦-02-03T04:05:06Z",
        ),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|day|hour"):
        parse_rfc3339(text)


def test_a_datetime_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        micros(datetime(2026, 1, 1))  # noqa: DTZ001  # what is to be refused


def test_never_has_no_datetime() -> None:
    with pytest.raises(OverflowError):
        moment(NEVER)
