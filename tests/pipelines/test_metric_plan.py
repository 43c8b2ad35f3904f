"""However pods lived and runs went, the plan asks for all that is wanted and not had, and for nothing twice."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.metric_plan import MetricPlan, metric_floor
from sources.runai.catalogue import CATALOGUE
from sources.runai.reading.windows import MOST_SAMPLES, SETTLE_LAG, MetricTarget, Window, windows_of
from sources.runai.schemas import TABLES
from transforms import build as databases
from transforms import ledger, runner
from transforms.database import connect

NOON: Final = datetime(2026, 7, 10, 12, tzinfo=UTC)
ORIGIN: Final = NOON - timedelta(days=5)
UNIT: Final = 15
UNITS: Final = 10 * 86_400 // UNIT
TYPES: Final = ("CPU_USAGE_CORES", "GPU_UTILIZATION")
STATUSES: Final = {"ok": 6, "failed": 4, "short": 1, "empty": 1, "partial": 1}

Units = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Life:
    """A pod; instants are seconds since noon."""

    created: int
    ended: int | None
    has_gpu: bool


@dataclass(frozen=True)
class Run:
    """A run: when, by minutes since the one before, and how."""

    after: int
    floor_hours: int
    until_earlier: int
    resolution: int
    types: tuple[str, ...]
    # How much of the plan it lives to see.
    share: float


LIVES = st.builds(
    Life,
    created=st.integers(-3 * 86_400, 3_600),
    ended=st.none() | st.integers(-2 * 86_400, 4 * 3_600),
    has_gpu=st.booleans(),
).filter(lambda life: life.ended is None or life.ended > life.created)
RUNS = st.builds(
    Run,
    after=st.sampled_from([1, 7, 60, 61, 600, 1_500]),
    floor_hours=st.sampled_from([5, 24, 60]),
    until_earlier=st.sampled_from([0, 0, 0, 100]),
    resolution=st.sampled_from([15, 60, 300]),
    types=st.sampled_from([TYPES, TYPES[:1], TYPES[1:]]),
    share=st.sampled_from([1.0, 1.0, 0.3, 0.7]),
)


@dataclass
class Past:
    """What became of each stretch of time of one pod and metric, in units, as this test has it."""

    is_had: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(UNITS, bool))
    has_failed: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(UNITS, bool))
    is_asked: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(UNITS, bool))
    window_to: Units = field(default_factory=lambda: np.zeros(UNITS, np.int64))

    def note(self, window: Window, status: str, now: datetime) -> None:
        stretch = slice(unit(window.start), unit(window.end))
        is_final = status == "ok" or (status in ("short", "empty") and now >= window.end + timedelta(hours=24))
        self.is_had[stretch] |= is_final
        self.is_asked[stretch] = True
        self.has_failed[stretch] = status == "failed"
        self.window_to[stretch] = unit(window.end)


def unit(instant: datetime) -> int:
    return int((instant - ORIGIN).total_seconds()) // UNIT


@pytest.fixture(scope="module")
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    """A build database in memory."""
    con = connect(":memory:")
    for name in ("build", "marts"):
        con.execute(f"attach ':memory:' as {name}")
    con.execute("use build")
    databases._create(con, reporting="")
    yield con
    con.close()


def emptied(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    for book in ("metric_spans", "metric_steps", "metric_gaps", "metrics_off"):
        con.execute(f"delete from build.main.{book}")
    return con


@pytest.fixture
def fresh(empty: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    return emptied(empty)


def put(con: duckdb.DuckDBPyConnection, lives: list[Life], now: datetime) -> None:
    """Let the database know of pods as one that looks now does."""
    rows = []
    for number, life in enumerate(lives):
        created = NOON + timedelta(seconds=life.created)
        ended = None if life.ended is None else NOON + timedelta(seconds=life.ended)
        ended = None if ended is None or ended > now else ended
        if created <= now:
            rows.append((f"pod-{number}", created, ended, life.has_gpu))
    con.execute("delete from build.main.known_pods")
    con.executemany(
        """
        insert into build.main.known_pods by name
        select $1 as pod_id, 'w' as workload_id, 'Running' as phase, $2 as created_at, $3 as completed_at,
            $3 is null as is_open, true as is_reachable, $2 as first_observed_at, $2 as last_observed_at,
            $4 as has_gpu, false as shows_nim
        """,
        rows,
    )


def ledger_row(window: Window, status: str, now: datetime) -> dict[str, Any]:
    came = {"ok": window.samples, "short": max(window.expected - 1, 0), "empty": 0}
    returned = {name: came[status] for name in window.types if status in came}
    return {
        "pod_id": window.target.pod_id,
        "workload_id": "w",
        "asked": json.dumps(window.types),
        "returned": None if status == "failed" else json.dumps(returned),
        "window_from": window.start,
        "window_to": window.end,
        "resolution_seconds": window.resolution,
        "status": status,
        "samples": 0,
        "expected_samples": window.expected,
        "started_at": window.target.started_at,
        "ended_at": window.target.ended_at,
        "attempt": window.target.attempt,
        "observed_at": now,
        "read_index": 0,
    }


def take_in(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    data = pa.Table.from_pylist(rows, schema=TABLES["metric_windows"])
    with runner.workspace(con):
        con.register("arrived", data)
        con.execute("create temp table new_windows as from arrived")
        con.unregister("arrived")
        ledger.weigh(con)
        ledger.settle(con)


def wanted(life: Life, floor: datetime, settled: datetime) -> slice:
    """The units that lie within what is wanted."""
    since = max(NOON + timedelta(seconds=life.created), floor)
    until = settled if life.ended is None else min(settled, NOON + timedelta(seconds=life.ended))
    first = -(-int((since - ORIGIN).total_seconds()) // UNIT)
    return slice(first, max(first, unit(until)))


def test_neighbours_are_asked_for_together_and_none_of_them_in_part(fresh: duckdb.DuckDBPyConnection) -> None:
    """A run that dies between two requests must not leave half a window that counts as had."""
    now = NOON + timedelta(minutes=2)
    put(fresh, [Life(created=-26 * 3_600, ended=-3_600, has_gpu=False)], now)
    target = MetricTarget("pod-0", "w", NOON)
    hours = [NOON - timedelta(hours=hour) for hour in range(26, 0, -1)]
    windows = [
        # The last hours at another resolution, and one that was had.
        Window(target, TYPES[:1], since, since + timedelta(hours=1), 60 if since < hours[22] else 30)
        for since in hours[:-1]
    ]
    take_in(fresh, [ledger_row(one, "ok" if one is windows[2] else "failed", now) for one in windows])
    plan = MetricPlan(fresh, TYPES[:1], hours[0], now + timedelta(hours=1), now + timedelta(hours=1), 60)
    planned = [(target.since, target.until, target.resolution) for target in plan.targets()]
    assert planned == [
        (hours[0], hours[2], 60),
        # Eight hours, eight and three: none ends beyond 500 steps of where the first of its part may end.
        (hours[3], hours[11], 60),
        (hours[11], hours[19], 60),
        (hours[19], hours[22], 60),
        (hours[22], hours[25], 30),
    ]


HOUR: Final = timedelta(hours=1)


def put_many(con: duckdb.DuckDBPyConnection, number: int) -> None:
    """Pods that run since eight hours; every other one has a GPU."""
    put(con, [Life(created=-8 * 3_600, ended=None, has_gpu=True)], NOON)
    con.execute(
        """
        create or replace table build.main.known_pods as
        select one.* replace (format('pod-{:06d}', number) as pod_id, number % 2 = 0 as has_gpu)
        from build.main.known_pods as one cross join range($1) as numbers (number)
        """,
        [number],
    )


def test_a_plan_of_many_pods_fits_into_the_memory_of_the_build(fresh: duckdb.DuckDBPyConnection) -> None:
    """One of all their types at once does not."""
    put_many(fresh, 12_000)
    plan = MetricPlan(fresh, tuple(CATALOGUE), NOON - 30 * HOUR, NOON, NOON, 60)
    assert plan.size.pods == 12_000


def test_pods_are_planned_in_parts_each_of_them_once(
    fresh: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many(fresh, 7)
    plans = []
    for pods in (1, 3, 7, 8):
        monkeypatch.setattr(ledger, "_PODS_AT_ONCE", pods)
        plans.append(list(MetricPlan(fresh, TYPES, NOON - 30 * HOUR, NOON, NOON, 60).targets()))
    assert [target.pod_id for target in plans[0]] == [f"pod-{number:06d}" for number in range(7)]
    assert [target.metrics for target in plans[0]] == [TYPES, TYPES[:1]] * 3 + [TYPES]
    assert plans == [plans[0]] * 4


# What the API tells of a pod that was seen an hour before noon, and of which stretch it is asked once.
ODD: Final[dict[str, tuple[dict[str, Any], tuple[datetime, datetime] | None]]] = {
    "over before it began": ({"completed_at": NOON - 9 * HOUR, "is_open": False}, (NOON - 2 * HOUR, NOON - HOUR)),
    "over at no instant": ({"is_open": False}, (NOON - 2 * HOUR, NOON - HOUR)),
    "in an end phase, and nothing else says so": ({"phase": "Succeeded"}, (NOON - 2 * HOUR, NOON - HOUR)),
    "created in the future, and over": (
        {"created_at": NOON + 90 * HOUR, "completed_at": NOON, "is_open": False},
        (NOON - HOUR, NOON),
    ),
    "of no workload": ({"workload_id": None}, None),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_pod_is_asked_once_for_what_it_may_have(fresh: duckdb.DuckDBPyConnection, name: str) -> None:
    fields, stretch = ODD[name]
    put(fresh, [Life(created=-2 * 3_600, ended=None, has_gpu=True)], NOON)
    seen = {"first_observed_at": NOON - HOUR, "last_observed_at": NOON - HOUR}
    for column, value in (seen | fields).items():
        fresh.execute(f"update build.main.known_pods set {column} = ?", [value])
    asked = []
    for hours in (1, 2, 30, 400):
        now = NOON + hours * HOUR
        plan = MetricPlan(fresh, TYPES, NOON - 30 * HOUR, now, now, 60)
        planned = [window for target in plan.targets() for window in windows_of(target, TYPES, now, 60)]
        asked += [(window.start, window.end) for window in planned]
        if planned:
            take_in(fresh, [ledger_row(window, "ok", now) for window in planned])
    assert asked == ([] if stretch is None else [stretch])


def test_a_pod_from_the_future_is_asked_from_when_it_was_seen(fresh: duckdb.DuckDBPyConnection) -> None:
    put(fresh, [Life(created=-60, ended=None, has_gpu=True)], NOON)
    fresh.execute("update build.main.known_pods set created_at = ?", [NOON + timedelta(days=400)])
    (target,) = MetricPlan(fresh, TYPES, NOON - HOUR, NOON + HOUR, NOON + HOUR, 60).targets()
    assert target.since == NOON - timedelta(seconds=60)


@settings(max_examples=12, phases=[Phase.generate])
@given(
    lives=st.lists(LIVES, min_size=4, max_size=12),
    runs=st.lists(RUNS, min_size=2, max_size=6),
    is_steady=st.booleans(),
    random=st.randoms(use_true_random=False),
)
def test_no_needed_second_is_missing_and_none_is_asked_for_twice(
    empty: duckdb.DuckDBPyConnection, lives: list[Life], runs: list[Run], is_steady: bool, random: Random
) -> None:
    con = emptied(empty)
    past: dict[tuple[str, str], Past] = defaultdict(Past)
    now, floor = NOON, NOON
    for run in runs:
        now += timedelta(minutes=run.after)
        floor = min(floor, NOON - timedelta(hours=run.floor_hours))
        as_of = now - timedelta(minutes=run.until_earlier)
        resolution = 60 if is_steady else run.resolution
        put(con, lives, now)
        plan = MetricPlan(con, run.types, floor, as_of, now, resolution)
        planned = [w for target in plan.targets() for w in windows_of(target, run.types, as_of, resolution)]
        step = 60 if is_steady else 300
        check(planned, past, lives, run.types, floor=floor, settled=as_of - SETTLE_LAG, step=step, is_steady=is_steady)
        rows = []
        for window in planned[: round(len(planned) * run.share)]:
            status = random.choices(list(STATUSES), list(STATUSES.values()))[0]
            for name in window.types:
                past[window.target.pod_id, name].note(window, status, now)
            rows.append(ledger_row(window, status, now))
        if rows:
            take_in(con, rows)
    check_books(con, past)


def check(
    planned: list[Window],
    past: dict[tuple[str, str], Past],
    lives: list[Life],
    types: tuple[str, ...],
    *,
    floor: datetime,
    settled: datetime,
    step: int,
    is_steady: bool,
) -> None:
    """What is asked for now against what was; `step` is the longest of all runs, and of one grid where steady."""
    slack = 0 if is_steady else step
    asked: dict[tuple[str, str], Units] = defaultdict(lambda: np.zeros(UNITS, np.int64))
    for window in planned:
        assert 0 < window.samples <= MOST_SAMPLES
        assert window.end <= settled
        for name in window.types:
            asked[window.target.pod_id, name][unit(window.start) : unit(window.end)] += 1
            inner = slice(unit(window.start) + slack // UNIT, max(unit(window.end) - slack // UNIT, 0))
            assert not past[window.target.pod_id, name].is_had[inner].any(), f"had already: {window}"
    for number, life in enumerate(lives):
        for name in types:
            key = (f"pod-{number}", name)
            if name == "GPU_UTILIZATION" and not life.has_gpu:
                assert not asked[key].any()
                continue
            if not slack:
                assert asked[key].max() <= 1, f"twice: {key}"
            before = past[key]
            # What was asked for in part would count as had.
            is_due = ~before.is_asked | (before.has_failed & (before.window_to <= unit(settled)))
            # Whole steps only.
            stretch = wanted(life, floor, settled - timedelta(seconds=step))
            lacking = (is_due & ~before.is_had & (asked[key] == 0))[stretch]
            assert not lacking.any(), f"never asked: {key} {ORIGIN + timedelta(seconds=UNIT * int(lacking.argmax()))}"


def check_books(con: duckdb.DuckDBPyConnection, past: dict[tuple[str, str], Past]) -> None:
    """No second is counted twice, and what failed is open."""
    covered = con.execute("select covered_seconds, epoch(asked_to - asked_from) from metric_spans").fetchall()
    assert all(0 <= seconds <= length for seconds, length in covered)
    gaps = con.execute(
        "select pod_id, metric, window_from, window_to from metric_gaps where status = 'failed'"
    ).fetchall()
    is_open: dict[tuple[str, str], npt.NDArray[np.bool_]] = defaultdict(lambda: np.zeros(UNITS, bool))
    for pod_id, metric, since, until in gaps:
        is_open[pod_id, metric][unit(since) : unit(until)] = True
    for key, one in past.items():
        assert not (one.has_failed & ~one.is_had & ~is_open[key]).any(), key


@pytest.mark.parametrize(("asked", "floor"), [(None, -24), (-9, -24), (-70, -70)])
def test_what_was_asked_moves_the_floor_back_and_never_forward(asked: int | None, floor: int) -> None:
    """A run that was killed has asked of some pods, and of those that are young from their beginning on."""
    as_of = datetime(2026, 3, 4, 12, tzinfo=UTC)
    with duckdb.connect() as con:
        con.execute("attach ':memory:' as build")
        con.execute("create table build.raw_runs (metrics_since timestamptz)")
        con.execute("create table build.metric_spans (asked_from timestamptz)")
        con.execute("set TimeZone = 'UTC'")
        if asked is not None:
            con.execute(f"insert into build.metric_spans values (timestamptz '{as_of + timedelta(hours=asked)}')")
        assert metric_floor(con, None, as_of) == as_of + timedelta(hours=floor)
