"""Parameters on the wire are what the contract calls `explode=false`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.runai.params import query, timestamp


@pytest.mark.parametrize(
    ("params", "written"),
    [
        ({}, ""),
        ({"offset": None}, ""),
        ({"deleted": True, "completed": False}, "?deleted=true&completed=false"),
        ({"limit": 500, "offset": 0}, "?limit=500&offset=0"),
        ({"metricType": ["CPU_USAGE_CORES", "GPU_UTILIZATION"]}, "?metricType=CPU_USAGE_CORES,GPU_UTILIZATION"),
        ({"filterBy": ("a==1", "b!=x y")}, "?filterBy=a%3D%3D1,b%21%3Dx%20y"),
        ({"start": datetime(2026, 1, 2, tzinfo=UTC)}, "?start=2026-01-02T00%3A00%3A00.000000Z"),
        ({"search": "a&b=c#d"}, "?search=a%26b%3Dc%23d"),
    ],
)
def test_parameters_are_written_as_the_contract_wants(params: dict[str, object], written: str) -> None:
    assert query(params) == written


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1)))
def test_any_text_arrives_as_it_was_given(params: dict[str, str]) -> None:
    written = query(params)
    assert dict(parse_qsl(written.removeprefix("?"), strict_parsing=bool(params))) == params


def test_a_comma_in_a_list_would_end_the_value_and_is_refused() -> None:
    with pytest.raises(ValueError, match="comma"):
        query({"filterBy": ["nodeName==a", "nodeName==b,c"]})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00.000000Z"),
        (datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-03-01T06:30:00.000000Z"),
        (datetime(2026, 3, 1, 12, 0, 0, 999, tzinfo=UTC), "2026-03-01T12:00:00.000999Z"),
    ],
)
def test_an_instant_is_utc_with_z(value: datetime, text: str) -> None:
    assert timestamp(value) == text


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        timestamp(datetime(2026, 3, 1))  # noqa: DTZ001 - the point
