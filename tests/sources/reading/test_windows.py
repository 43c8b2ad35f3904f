from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.runai.catalogue import BASIC, CATALOGUE, METRIC_TYPES, requests_of
from sources.runai.reading.windows import MetricTarget, Window, on_grid, windows_of

NOW = datetime(2026, 1, 15, tzinfo=UTC)
LAG = timedelta(seconds=120)
RESOLUTIONS = st.sampled_from([1, 7, 15, 60, 3_600])
MICROSECONDS = st.integers(0, 86_400_000_000).map(lambda count: timedelta(microseconds=count))


@settings(max_examples=300)
@given(age=st.integers(0, 200_000), resolution=RESOLUTIONS, offset=MICROSECONDS, newest_first=st.booleans())
def test_windows_cover_the_pod_without_gap_or_overlap(
    age: int, resolution: int, offset: timedelta, newest_first: bool
) -> None:
    as_of = NOW + offset
    target = MetricTarget("p", "w", as_of - timedelta(seconds=age), newest_first=newest_first)
    windows = list(windows_of(target, BASIC, as_of, resolution))
    windows = windows[::-1] if newest_first else windows
    assert all(0 < window.samples <= 1_000 for window in windows)
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert all(window.start.timestamp() % resolution == 0 for window in windows)
    if windows:
        assert windows[0].start <= target.since < windows[0].start + timedelta(seconds=resolution)
        assert as_of - LAG - timedelta(seconds=resolution) < windows[-1].end <= as_of - LAG
    else:
        assert age < 120 + 2 * resolution


@given(since=MICROSECONDS, life=MICROSECONDS, resolution=RESOLUTIONS)
def test_an_ended_pod_is_asked_for_up_to_the_step_in_which_it_ended(
    since: timedelta, life: timedelta, resolution: int
) -> None:
    target = MetricTarget("p", "w", NOW + since, until=NOW + since + life)
    as_of = NOW + timedelta(days=3)
    windows = list(windows_of(target, BASIC, as_of, resolution))
    step = timedelta(seconds=resolution)
    if windows:
        assert target.until is not None
        assert target.until <= windows[-1].end < target.until + step
        assert windows[0].start <= target.since < windows[0].start + step
    else:
        assert life == timedelta()


def test_what_may_still_arrive_of_an_ended_pod_is_not_asked_for() -> None:
    target = MetricTarget("p", "w", NOW - timedelta(hours=1), until=NOW - timedelta(seconds=30))
    (window,) = windows_of(target, BASIC, NOW, 60)
    assert window.end == NOW - LAG


def test_a_pod_may_end_in_the_last_second_that_there_is() -> None:
    target = MetricTarget("p", "w", NOW - timedelta(hours=1), until=datetime.max.replace(tzinfo=UTC))
    (window,) = windows_of(target, BASIC, NOW, 60)
    assert window.end == NOW - LAG


@pytest.mark.parametrize("at", [instant.replace(tzinfo=UTC) for instant in (datetime.min, datetime.max)])  # noqa: DTZ901
def test_nothing_is_expected_of_a_life_at_either_end_of_all_time(at: datetime) -> None:
    target = MetricTarget("p", "w", NOW - timedelta(hours=1), started_at=at, ended_at=at)
    (window,) = windows_of(target, BASIC, NOW, 60)
    assert window.expected == 0


def test_all_types_of_a_stretch_come_before_the_next_stretch() -> None:
    target = MetricTarget("p", "w", NOW - timedelta(hours=40))
    order = [(window.start, window.types) for window in windows_of(target, METRIC_TYPES, NOW, 60)]
    groups = [tuple(group) for group in requests_of(METRIC_TYPES, 9)]
    starts = sorted({start for start, _ in order})
    assert len(starts) == 3
    assert order == [(start, group) for start in starts for group in groups]


@pytest.mark.parametrize(
    ("metrics", "asked"), [(None, ["CPU_USAGE_CORES"]), ((), []), (("GPU_UTILIZATION",), ["GPU_UTILIZATION"])]
)
def test_a_target_may_name_its_own_types_and_resolution(metrics: tuple[str, ...] | None, asked: list[str]) -> None:
    target = MetricTarget("p", "w", NOW - timedelta(hours=1), metrics=metrics, resolution=30)
    windows = list(windows_of(target, ["CPU_USAGE_CORES"], NOW, 60))
    assert [name for window in windows for name in window.types] == asked
    assert all((window.resolution, window.samples) == (30, 116) for window in windows)


@settings(max_examples=500)
@given(
    steps=st.integers(1, 1_000),
    resolution=RESOLUTIONS,
    began=st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=2)),
    ran=st.none() | MICROSECONDS,
)
def test_no_more_is_expected_than_surely_is_there(
    steps: int, resolution: int, began: timedelta | None, ran: timedelta | None
) -> None:
    step = timedelta(seconds=resolution)
    started = None if began is None else NOW + began
    ended = None if ran is None else (started or NOW) + ran
    target = MetricTarget("p", "w", NOW, started_at=started, ended_at=ended)
    window = Window(target, BASIC, NOW, NOW + steps * step, resolution)
    served = [
        at
        for at in (NOW + k * step for k in range(steps))
        if (started is None or started <= at) and (ended is None or at < ended)
    ]
    # A scrape may take a step until it sees the start, and miss the last.
    assert len(served) - 4 <= window.expected <= len(served)
    if (started is None or started <= NOW - step) and (ended is None or ended >= window.end + step):
        assert window.expected == window.samples == steps


@given(st.integers(1, 3_000), st.integers(1, 1_000))
def test_stretches_are_the_window(steps: int, most: int) -> None:
    step = timedelta(seconds=15)
    window = Window(MetricTarget("p", "w", NOW), BASIC, NOW, NOW + steps * step, 15)
    parts = window.stretches(most)
    assert (parts[0].start, parts[-1].end) == (window.start, window.end)
    assert all(one.end == other.start for one, other in pairwise(parts))
    assert all(0 < part.samples <= most and part.types == BASIC for part in parts)
    assert len(parts) == -(-steps // most)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)), RESOLUTIONS)  # noqa: DTZ001 - bounds are naive
def test_the_grid_lies_around_every_instant(at: datetime, resolution: int) -> None:
    step = timedelta(seconds=resolution)
    below, above = on_grid(at, resolution), on_grid(at, resolution, up=True)
    assert below <= at < below + step
    assert above - step < at <= above


@pytest.mark.parametrize("types", [(), BASIC, METRIC_TYPES])
def test_every_type_is_asked_once_and_advanced_ones_apart(types: tuple[str, ...]) -> None:
    groups = requests_of(types, 9)
    assert sorted(name for group in groups for name in group) == sorted(types)
    assert all(len(group) <= 9 for group in groups)
    assert all(len({CATALOGUE[name].family for name in group}) == 1 for group in groups)
