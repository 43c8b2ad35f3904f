from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.runai.json_body import parse_json
from sources.runai.reading import measurements
from sources.runai.reading.measurements import LONGEST_NAME, Measurements, measurements_of
from sources.runai.reading.samples import Samples

NAMES = {"DCGM_LINK": "LINK"}
Cell = tuple[Any, Any]
Sample = tuple[str, str | None, str | None, datetime, str, str | None]


@dataclass(frozen=True)
class Body:
    """A body, and what is to be read from it."""

    text: bytes
    samples: list[Sample]
    returned: frozenset[str]
    misplaced: int


def number(value: float) -> Cell:
    return repr(value), (repr(float(value)), None)


def odd(value: object, text: str | None) -> Cell:
    return value, ("None", text)


SANE = st.one_of(st.integers(0, 10**12), st.floats(-1e17, 1e17)).map(number)
NO_NUMBERS = st.sampled_from(["NaN", "nan", "Inf", "+Inf", "-Inf", "9.2e18", "-1e18", "1e400"]).map(
    lambda text: odd(text, text)
)
NULL = st.just(odd(None, None))
ODD_VALUES: list[Cell] = [
    odd("", ""),
    odd("n/a", "n/a"),
    odd("0x10", "0x10"),
    odd(9.2e18, "9.2e+18"),
    odd(10**400, "1" + "0" * 400),
    odd(True, "true"),
    odd([1], "[1]"),
    odd({"a": None}, '{"a":null}'),
    (7, ("7.0", None)),
    (0.5, ("0.5", None)),
]
BESIDES = st.sampled_from(ODD_VALUES)


@st.composite
def instants(draw: st.DrawFn, zone: str) -> Cell:
    at = draw(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
    digits = draw(st.sampled_from([0, 3, 6, 9]))
    kept = min(digits, 6)
    at = at.replace(microsecond=at.microsecond // 10 ** (6 - kept) * 10 ** (6 - kept))
    offsets = {"+02:00": timedelta(hours=2), "-03:30": -timedelta(hours=3, minutes=30)}
    shown = at.astimezone(timezone(offsets.get(zone, timedelta())))
    text = shown.strftime(f"%Y-%m-%d{draw(st.sampled_from('T '))}%H:%M:%S")
    text += f".{at.microsecond:06}{draw(st.integers(0, 999)):03}"[: digits + 1] if digits else ""
    return text + zone, at


NO_INSTANT: st.SearchStrategy[object] = st.sampled_from(
    [None, "", "yesterday", 1_700_000_000, "2024-02-30T00:00:00Z", []]
)
ODD_SERIES: st.SearchStrategy[Any] = st.sampled_from([None, {}, {"type": 7}, "x"])
LABELS: list[tuple[Any, str | None, str | None]] = [
    (None, None, None),
    ({}, None, None),
    ({"gpu": "0"}, "0", None),
    ({"gpu": "11", "node": "a-1"}, "11", '{"node":"a-1"}'),
    ({"zone": "b", "node": "ü"}, None, '{"node":"ü","zone":"b"}'),
]
ODD_LABELS: list[tuple[Any, str | None, str | None]] = [
    ({"gpu": 0}, "0", None),
    ({"gpu": "0", "node": None}, "0", None),
    ({"since": "2024-01-01"}, None, '{"since":"2024-01-01"}'),
    ({"n": 1, "deep": {"b": [1], "a": None}}, None, '{"deep":{"a":null,"b":[1]},"n":1}'),
    ("{'gpu': '3'}", "3", None),
    ('{"gpu": "3", "node": "x"}', "3", '{"node":"x"}'),
    *[(text, None, json.dumps(text)) for text in ("", "NaN", "{1,2}", "...", "1j", "[1]", "((")],
    ([], None, "[]"),
]


@st.composite
def bodies(draw: st.DrawFn, *, by_contract: bool) -> Body:
    zones = st.sampled_from(["Z", "+02:00", "-03:30", ""])
    zone = draw(zones)
    values = st.one_of(SANE, NO_NUMBERS, NULL) if by_contract else st.one_of(SANE, NO_NUMBERS, NULL, BESIDES)
    times = st.one_of(instants(zone), st.just((None, None)))
    if not by_contract:
        times = st.one_of(times, zones.flatmap(instants), instants("Z"), NO_INSTANT.map(lambda no: (no, None)))
    kinds = st.sampled_from(LABELS if by_contract else LABELS + ODD_LABELS)
    series, samples, returned, misplaced = [], [], set(), 0
    for name in draw(st.lists(st.sampled_from(["CPU", "GPU_X", "DCGM_LINK", "ü"]), min_size=1, max_size=5)):
        labels, gpu, others = draw(kinds)
        points = draw(st.none() | st.lists(st.tuples(values, times), max_size=5))
        part: dict[str, Any] = {"type": name, "labels": labels}
        if points is not None or draw(st.booleans()):
            told = [{"value": value, "timestamp": at} for (value, _), (at, _) in points or ()]
            part["values"] = None if points is None else told
        series.append(part)
        returned.add(NAMES.get(name, name))
        for (_, (read, text)), (_, at) in points or ():
            misplaced += at is None
            if at is not None:
                samples.append((NAMES.get(name, name), gpu, others, at, read, text))
    whole: dict[str, Any] = {"measurements": series}
    whole |= draw(st.sampled_from([{}, {"histogram": None}, {"histogram": []}]))
    if not by_contract:
        whole |= draw(st.sampled_from([{}, {"new": [1, "a", {}]}, {"new": {"at": "2024-01-01"}}]))
        if draw(st.booleans()) and series:
            series.append(draw(ODD_SERIES))
            misplaced += 1
    text = json.dumps(whole, indent=draw(st.sampled_from([None, 2])), ensure_ascii=draw(st.booleans()))
    return Body(text.encode(), samples, frozenset(returned), misplaced)


def table_of(found: Measurements) -> pa.Table:
    return Samples([found], [(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))]).table


def samples_of(found: Measurements) -> list[Sample]:
    # Numbers as text: there -0.0 differs from 0.0.
    return [
        (row["metric"], row["gpu"], row["labels"], row["sampled_at"], repr(row["value"]), row["value_text"])
        for row in table_of(found).to_pylist()
    ]


def assert_is(found: Measurements, body: Body) -> None:
    # Of those of one series and instant, the first.
    firsts: dict[Any, Sample] = {}
    for sample in body.samples:
        firsts.setdefault(sample[:4], sample)
    assert samples_of(found) == list(firsts.values())
    assert found.returned == body.returned
    assert found.misplaced.total() == body.misplaced
    assert found.distributions == []


@settings(max_examples=300)
@given(bodies(by_contract=True))
def test_a_body_by_the_contract_is_read_in_columns(body: Body) -> None:
    with patch.object(measurements, "_one_by_one", side_effect=AssertionError):
        assert_is(measurements_of(body.text, NAMES), body)
    assert_is(measurements._one_by_one(parse_json(body.text), NAMES), body)


@pytest.mark.parametrize(("value", "read"), ODD_VALUES)
def test_values_of_every_kind(value: object, read: tuple[str, str | None]) -> None:
    body = {"measurements": [{"type": "A", "values": [{"value": value, "timestamp": "2026-01-01T00:00:00Z"}]}]}
    (row,) = table_of(measurements_of(json.dumps(body).encode(), {})).to_pylist()
    assert (repr(row["value"]), row["value_text"]) == read


@pytest.mark.parametrize(("labels", "gpu", "others"), LABELS + ODD_LABELS)
def test_labels_of_every_kind(labels: object, gpu: str | None, others: str | None) -> None:
    values = [{"value": "1", "timestamp": "2026-01-01T00:00:00Z"}]
    body = {"measurements": [{"type": "A", "labels": labels, "values": values}]}
    (row,) = table_of(measurements_of(json.dumps(body).encode(), {})).to_pylist()
    assert (row["gpu"], row["labels"]) == (gpu, others)


@settings(max_examples=300)
@given(bodies(by_contract=False))
def test_nothing_is_lost_and_nothing_invented_beyond_the_contract(body: Body) -> None:
    assert_is(measurements_of(body.text, NAMES), body)


@given(bodies(by_contract=True), st.floats(0, 1, exclude_max=True))
def test_half_a_body_is_none(body: Body, share: float) -> None:
    with pytest.raises(ValueError, match=r"."):
        measurements_of(body.text[: int(len(body.text) * share)], NAMES)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"null",
        b" null",
        b"null{}",
        b"[]",
        b"7",
        b"{}",
        b'{"measurements":7}',
        b'{"measurements":{}}',
        b'{"measurements":[]} x',
        b'{"measurements":[]}{"measurements":[]}',
        b'{"measurements":[{"type":"\xff"}]}',
        b"<html>502</html>",
    ],
)
def test_a_broken_body_is_asked_for_again(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        measurements_of(body, {})


def test_no_measurements_are_none() -> None:
    found = measurements_of(b'{"measurements":null}', {})
    assert (len(found.instants), found.returned, found.misplaced.total()) == (0, frozenset(), 0)


def test_no_python_object_is_made_for_a_sample() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    points = [{"value": str(n), "timestamp": (at + timedelta(seconds=n)).isoformat()} for n in range(20_000)]
    body = json.dumps({"measurements": [{"type": "A", "labels": {"gpu": "0", "node": "x"}, "values": points}]}).encode()
    measurements_of(body, {})
    tracemalloc.start()
    try:
        found = measurements_of(body, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert table_of(found).num_rows == 20_000
    # Arrow's memory is not Python's; a list of so many references alone is 160 kB.
    assert peak < 100_000


def test_histograms_are_kept_with_their_labels() -> None:
    body = {
        "measurements": [
            {"type": "A", "labels": None, "values": [{"value": "1", "timestamp": "2026-01-01T00:00:00Z"}]}
        ],
        "histogram": [
            {
                "type": "DCGM_LINK",
                "labels": {"gpu": "1", "model": "m"},
                "values": [
                    {"timestamp": "2026-01-01T00:00:00Z", "data": {"0.1": "45", "+Inf": 1024, "p": None}},
                    {"timestamp": None, "data": {}},
                    {"timestamp": "2026-01-01T00:00:00Z", "data": None},
                ],
            },
            {"type": "B", "values": None},
            {"values": []},
        ],
    }
    found = measurements_of(json.dumps(body).encode(), NAMES)
    (one,) = found.distributions
    assert (one.metric, one.labels) == ("LINK", '{"gpu":"1","model":"m"}')
    assert one.sampled_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert one.data == {"0.1": "45", "+Inf": "1024", "p": "null"}
    assert found.returned == {"A", "LINK", "B"}
    assert table_of(found).num_rows == 1
    assert found.misplaced == {
        "a sample without an instant": 1,
        "a histogram without data": 1,
        "a series of no type": 1,
    }


LONG = "x" * LONGEST_NAME


@pytest.mark.parametrize("part", ["measurements", "histogram"])
@pytest.mark.parametrize(
    "long",
    [{"type": f"{LONG}x"}, {"labels": {"gpu": f"{LONG}x"}}, {"labels": {"a": LONG}}, {"labels": f"{LONG}x"}],
    ids=["type", "gpu", "labels", "labels that are a text"],
)
def test_what_would_stand_beside_each_sample_is_left_out_where_it_is_a_book(part: str, long: dict[str, Any]) -> None:
    values = [{"value": "1", "data": {"a": "1"}, "timestamp": "2026-01-01T00:00:00Z"}]
    sane = {"type": LONG, "labels": None, "values": values}
    body = {"measurements": [], part: [{"type": "A", "labels": None, "values": values} | long, sane]}
    found = measurements_of(json.dumps(body).encode(), {})
    assert found.misplaced == {"a series whose type or labels have more than 1,000 characters": 1}
    assert found.returned == ({LONG} if "type" in long else {LONG, "A"})
    assert len(found.values) + len(found.distributions) == 1


@pytest.mark.parametrize("body", ['{"measurements":[{"type":"A","values":{}}]}', '{"measurements":[],"histogram":"x"}'])
def test_what_is_no_list_is_told(body: str) -> None:
    assert measurements_of(body.encode(), {}).misplaced == {"what is no list where one belongs": 1}


DEEP = {
    "lists": (b"[", b"]"),
    "objects": (b'{"a":', b"}"),
    "samples in each other": (b'{"timestamp":"x","value":', b"}"),
    "texts of samples": (b'{"},{":"},{","a":', b"}"),
}


@pytest.mark.parametrize("kind", DEEP)
def test_a_body_of_any_depth_is_read_and_ends_no_process(kind: str) -> None:
    opening, closing = DEEP[kind]
    deep = opening * 20_000 + b"1" + closing * 20_000
    body = b'{"measurements": [{"type": "CPU_USAGE_CORES", "values": []}], "new": ' + deep + b"}"
    read = "print(measurements_of(sys.stdin.buffer.read(), {}).returned)"
    script = f"import sys; from sources.runai.reading.measurements import measurements_of; {read}"
    # A process of its own: a crash would take the other tests along.
    done = subprocess.run([sys.executable, "-c", script], input=body, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"frozenset({'CPU_USAGE_CORES'})\n"), done.stderr[-500:]


def test_many_series_are_no_depth() -> None:
    values = [{"value": "7", "timestamp": f"2026-01-05T00:0{minute}:00Z"} for minute in range(5)]
    series = [{"type": "GPU_UTILIZATION_PER_GPU", "labels": {"gpu": str(gpu)}, "values": values} for gpu in range(600)]
    body = json.dumps({"measurements": series, "histogram": None}).encode()
    assert measurements._in_columns(body, {}).returned == {"GPU_UTILIZATION_PER_GPU"}
