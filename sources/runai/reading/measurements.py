"""The body of a metrics answer → Arrow, without a Python object for each sample.

A body as the contract has it is parsed, flattened and typed by loops in C. One that is not, a number where text belongs
or a timestamp in words, is read sample by sample, so that nothing in it is lost and no neighbour suffers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from sources.runai.json_body import parse_json
from sources.runai.reading.fields import as_instant, as_json
from sources.runai.schemas import INSTANT

LARGEST_READING: Final = 1e18
"""Values at or above are sentinels of the GPU driver for "no reading", such as 9.2e18."""
NO_INSTANT: Final = "a sample without an instant"
LONGEST_NAME: Final = 1_000
"""Characters of a type or of labels: these stand beside every sample, where a megabyte becomes a terabyte."""
TOO_LONG: Final = f"a series whose type or labels have more than {LONGEST_NAME:,} characters"

_MOST_NESTED: Final = 2_000
"""Lists and objects that do not follow one another: a series takes three, Arrow's stack holds 5,000 in each other."""
_SERIES: Final = pa.struct(
    [
        ("type", pa.string()),
        ("labels", pa.struct([("gpu", pa.string())])),
        ("values", pa.list_(pa.struct([("value", pa.string()), ("timestamp", pa.string())]))),
    ]
)
_BODY: Final = pa.schema(
    [("measurements", pa.list_(_SERIES)), ("histogram", pa.list_(pa.struct([("type", pa.string())])))]
)


@dataclass(frozen=True)
class Distribution:
    """One value of the `histogram` part: buckets or percentiles by name, as text; `labels` are JSON, `gpu` included."""

    metric: str
    labels: str | None
    sampled_at: datetime
    data: dict[str, str]


class Series(NamedTuple):
    """One series: its metric by our name, its GPU as the API writes it, other labels as JSON, how many samples."""

    metric: str
    gpu: str | None
    labels: str | None
    length: int


@dataclass(frozen=True)
class Measurements:
    """What one answer holds: series, and the samples of all of them one after the other.

    `instants` (UTC, none is null), `values` (double, null where there is none) and, unless every value is a number,
    `texts` of those that are none, have an entry per sample. `misplaced` counts what no table can hold by what is wrong
    with it, such as no instant.
    """

    series: list[Series]
    instants: pa.Array
    values: pa.Array
    texts: pa.Array | None = None
    distributions: list[Distribution] = field(default_factory=list)
    misplaced: Counter[str] = field(default_factory=Counter)
    # Types of which there is no series here, but which the body names.
    named: frozenset[str] = frozenset()

    @property
    def returned(self) -> frozenset[str]:
        """The types that the body names, with or without values."""
        return self.named.union(series.metric for series in self.series)


def measurements_of(body: bytes, names: Mapping[str, str]) -> Measurements:
    """Read the body of an answer; `names` are ours for types that this control plane calls otherwise.

    Raises:
        ValueError: it is no JSON, or no list of measurements is in it.
    """
    try:
        return _in_columns(body, names)
    except pa.ArrowException:
        return _one_by_one(parse_json(body), names)


def _in_columns(body: bytes, names: Mapping[str, str]) -> Measurements:
    if not body.lstrip().startswith(b"{"):
        # Arrow ends the process where a body begins with null.
        msg = "no object"
        raise pa.ArrowInvalid(msg)
    if _deepest(body) > _MOST_NESTED:
        # Arrow ends the process where so many lie in each other.
        msg = "more lists and objects than series take"
        raise pa.ArrowInvalid(msg)
    table = arrow_json.read_json(
        pa.BufferReader(body),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(body) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=_BODY, newlines_in_values=True),
    )
    if table.num_rows != 1 or table.column("measurements").null_count:
        msg = "more or less than one list of measurements"
        raise pa.ArrowInvalid(msg)
    if len(table.column("histogram").combine_chunks().flatten()):
        msg = "histograms, whose members differ from value to value"
        raise pa.ArrowInvalid(msg)
    series = table.column("measurements").combine_chunks().flatten()
    metrics, labels, values = (series.field(name) for name in ("type", "labels", "values"))
    if metrics.null_count:
        msg = "a series of no type"
        raise pa.ArrowInvalid(msg)
    misplaced: Counter[str] = Counter()
    lengths, samples = pc.list_value_length(values).to_pylist(), values.flatten()
    lost = samples.field("timestamp").null_count
    if lost:
        misplaced[NO_INSTANT] = lost
        is_kept = samples.field("timestamp").is_valid()
        kept = pc.list_parent_indices(values).filter(is_kept).to_numpy()
        lengths, samples = np.bincount(kept, minlength=len(series)).tolist(), samples.filter(is_kept)
    columns = zip(
        (names.get(name, name) for name in metrics.to_pylist()),
        labels.field("gpu").to_pylist(),
        _other_labels(labels),
        (length or 0 for length in lengths),
        strict=True,
    )
    told = [Series(*one) for one in columns]
    if any(_is_too_long(one.metric, one.gpu, one.labels) for one in told):
        raise pa.ArrowInvalid(TOO_LONG)
    return Measurements(
        told,
        _instants(samples.field("timestamp")),
        *_numbers(samples.field("value")),
        misplaced=misplaced,
    )


def _deepest(body: bytes) -> int:
    """Return a depth that lists and objects in each other cannot exceed.

    One that begins where another has just ended takes nobody deeper. What looks like that inside a text brings its own
    bracket, so that it makes the answer no smaller.
    """
    follow = body.count(b"},{") + body.count(b"}, {")
    return body.count(b"[") + body.count(b"{") - follow


def _numbers(texts: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return the numbers, and the texts of what is none unless all are."""
    numbers = pc.cast(texts, pa.float64())
    # False of what is not finite, too.
    is_number = pc.less(pc.abs(numbers), LARGEST_READING)
    if pc.all(is_number, min_count=0).as_py():
        return numbers, None
    nothing = pa.scalar(None)
    return (
        pc.if_else(is_number, numbers, nothing.cast(pa.float64())),
        pc.if_else(is_number, nothing.cast(pa.string()), texts),
    )


def _instants(texts: pa.Array) -> pa.Array:
    # No zone stands for UTC. Arrow takes no digit more than the unit has, and Go writes as many as there are.
    for unit, zone in (("us", "UTC"), ("ns", "UTC"), ("us", None), ("ns", None)):
        try:
            found = pc.cast(texts, pa.timestamp(unit, zone))
        except pa.ArrowInvalid:
            continue
        found = pc.cast(found, pa.timestamp("us", zone), safe=False)
        return found if zone else pc.assume_timezone(found, "UTC")
    msg = "timestamps that are none, or of several kinds"
    raise pa.ArrowInvalid(msg)


def _other_labels(labels: pa.Array) -> list[str | None]:
    """Return labels beyond `gpu` as JSON, one text for each series."""
    if labels.type.num_fields == 1:
        return [None] * len(labels)
    if not all(pa.types.is_string(one.type) for one in labels.type):
        # Of what looks like an instant, Arrow would make one, and its text would be lost.
        msg = "labels that are no text"
        raise pa.ArrowInvalid(msg)
    return [_labels_of(one)[1] for one in labels.to_pylist()]


def _one_by_one(body: object, names: Mapping[str, str]) -> Measurements:
    parts = body.get("measurements", ...) if isinstance(body, dict) else ...
    # Go writes null for a list of none.
    parts = [] if parts is None else parts
    if not isinstance(body, dict) or not isinstance(parts, list):
        msg = "no list of measurements"
        raise ValueError(msg)  # noqa: TRY004 - the client asks again for a body on which a ValueError is raised
    misplaced: Counter[str] = Counter()
    series = []
    rows: list[tuple[datetime, float | None, str | None]] = []
    for one in parts:
        if not isinstance(one, dict) or not isinstance(one.get("type"), str):
            misplaced["a series of no type"] += 1
            continue
        metric, labels = names.get(one["type"], one["type"]), _labels_of(one.get("labels"))
        if _is_too_long(metric, *labels):
            misplaced[TOO_LONG] += 1
            if not _is_too_long(metric):
                # It was answered: nobody is to take it for a type that is not served.
                series.append(Series(metric, None, None, 0))
            continue
        samples = list(_samples(one.get("values"), misplaced))
        series.append(Series(metric, *labels, len(samples)))
        rows += samples
    named: set[str] = set()
    distributions = list(_distributions(body.get("histogram"), names, named, misplaced))
    instants, values, texts = zip(*rows, strict=True) if rows else ((), (), ())
    return Measurements(
        series,
        pa.array(instants, INSTANT),
        pa.array(values, pa.float64()),
        pa.array(texts, pa.string()),
        distributions,
        misplaced,
        frozenset(named),
    )


def _samples(values: object, misplaced: Counter[str]) -> Iterator[tuple[datetime, float | None, str | None]]:
    for sample in _elements(values, misplaced):
        at = _instant(sample.get("timestamp")) if isinstance(sample, dict) else None
        if at is None:
            misplaced[NO_INSTANT] += 1
        else:
            yield at, *_number(sample.get("value"))


def _distributions(
    parts: object, names: Mapping[str, str], named: set[str], misplaced: Counter[str]
) -> Iterator[Distribution]:
    for part in _elements(parts, misplaced):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            misplaced["a series of no type"] += 1
            continue
        metric = names.get(part["type"], part["type"])
        labels = _as_object(part.get("labels"))
        labels = as_json(labels) if labels else None
        if not _is_too_long(metric):
            named.add(metric)
        if _is_too_long(metric, labels):
            misplaced[TOO_LONG] += 1
            continue
        for one in _elements(part.get("values"), misplaced):
            data = one.get("data") if isinstance(one, dict) else None
            at = _instant(one.get("timestamp")) if isinstance(one, dict) else None
            if at is None or not isinstance(data, dict):
                misplaced[NO_INSTANT if at is None else "a histogram without data"] += 1
                continue
            yield Distribution(metric, labels, at, {name: _text(cell) for name, cell in data.items()})


def _elements(found: object, misplaced: Counter[str]) -> list[Any]:
    if not isinstance(found, list | None):
        misplaced["what is no list where one belongs"] += 1
    return found if isinstance(found, list) else []


def _is_too_long(*names: str | None) -> bool:
    return any(len(name) > LONGEST_NAME for name in names if name is not None)


def _labels_of(labels: object) -> tuple[str | None, str | None]:
    """Return the GPU's index as the API writes it, and the other labels as JSON."""
    labels = _as_object(labels)
    if not isinstance(labels, dict):
        return None, None if labels is None else as_json(labels)
    others = {name: value for name, value in labels.items() if name != "gpu" and value is not None}
    gpu = labels.get("gpu")
    return None if gpu is None else _text(gpu), as_json(others) if others else None


def _as_object(labels: object) -> object:
    """Return the object that a text spells out, anything else as it is."""
    if isinstance(labels, str):
        # The contract's example of an object is text as Python writes it.
        for spelling in (labels, labels.replace("'", '"')):
            try:
                found = orjson.loads(spelling)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return labels


def _text(value: object) -> str:
    return value if isinstance(value, str) else as_json(value)


def _number(value: object) -> tuple[float | None, str | None]:
    """Return the number, or the text of what is none."""
    if value is None:
        return None, None
    text = _text(value)
    try:
        number = float(text)
    except ValueError:
        return None, text
    if not math.isfinite(number) or abs(number) >= LARGEST_READING:
        return None, text
    return number, None


def _instant(value: object) -> datetime | None:
    try:
        return as_instant(value)
    except ValueError:
        return None
