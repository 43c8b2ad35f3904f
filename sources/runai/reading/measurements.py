"""The body of a metrics answer → Arrow, without a Python object for each sample.

A body as the contract has it is parsed, flattened and typed by loops in C. One that is not, a number where text belongs
or a timestamp in words, is read sample by sample, so that nothing in it is lost and no neighbour suffers.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from sources.runai.json_body import parse_json
from sources.runai.reading.fields import as_instant, as_json
from sources.runai.schemas import INSTANT

LARGEST_READING: Final = 1e18
"""Values at or above are sentinels of the GPU driver for "no reading", such as 9.2e18."""

SAMPLES: Final = pa.schema(
    [
        pa.field("metric", pa.dictionary(pa.int32(), pa.string())),
        pa.field("gpu", pa.string()),
        pa.field("labels", pa.string()),
        pa.field("sampled_at", INSTANT),
        pa.field("value", pa.float64()),
        pa.field("value_text", pa.string()),
    ]
)
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


@dataclass(frozen=True)
class Measurements:
    """What one answer holds.

    `samples` has the columns of `SAMPLES`, in the order of the body. `returned` are the types that the body names, with
    or without values. `misplaced` counts what no table can hold by what is wrong with it, such as no instant.
    """

    samples: pa.Table
    returned: frozenset[str]
    # The first and the last instant, in microseconds since 1970: Arrow knows years that Python does not.
    bounds: tuple[int, int] | None = None
    # By type, the instants of the series that has the fewest; None where only a look at the samples tells.
    instants: dict[str, int] | None = None
    distributions: list[Distribution] = field(default_factory=list)
    misplaced: Counter[str] = field(default_factory=Counter)


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
    table = arrow_json.read_json(
        io.BytesIO(body),
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
    types = [names.get(name, name) for name in metrics.to_pylist()]
    at = pc.list_parent_indices(values)
    samples = values.flatten()
    instants, texts = _instants(samples.field("timestamp")), samples.field("value")
    numbers = pc.cast(texts, pa.float64())
    is_number = pc.and_(pc.is_finite(numbers), pc.less(pc.abs(numbers), LARGEST_READING))
    nothing = pa.scalar(None)
    found = pa.Table.from_arrays(
        [
            # The text of each type once, and a number for each sample: what is written to disk a million times.
            pa.DictionaryArray.from_arrays(at.cast(pa.int32()), pa.array(types, pa.string())),
            labels.field("gpu").take(at),
            _other_labels(labels).take(at),
            instants,
            pc.if_else(is_number, numbers, nothing.cast(pa.float64())),
            pc.if_else(is_number, nothing.cast(pa.string()), texts),
        ],
        schema=SAMPLES,
    )
    is_plain = labels.type.num_fields == 1 and not instants.null_count and _increase(instants, at)
    fewest = _fewest(types, pc.list_value_length(values)) if is_plain else None
    return _placed(Measurements(found, frozenset(types), instants=fewest))


def _increase(instants: pa.Array, series: pa.Array) -> bool:
    """Whether within each series every instant is later than the one before."""
    is_later = pc.greater(instants[1:], instants[:-1])
    is_next = pc.not_equal(series[1:], series[:-1])
    return bool(pc.all(pc.or_(is_later, is_next), min_count=0).as_py())


def _fewest(types: list[str], lengths: pa.Array) -> dict[str, int]:
    fewest: dict[str, int] = {}
    for name, length in zip(types, lengths.to_pylist(), strict=True):
        fewest[name] = min(length or 0, fewest.get(name, length or 0))
    return fewest


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


def _other_labels(labels: pa.Array) -> pa.Array:
    """Return labels beyond `gpu` as JSON, one text for each series."""
    if labels.type.num_fields == 1:
        return pa.nulls(len(labels), pa.string())
    if not all(pa.types.is_string(one.type) for one in labels.type):
        # Of what looks like an instant, Arrow would make one, and its text would be lost.
        msg = "labels that are no text"
        raise pa.ArrowInvalid(msg)
    return pa.array([_labels_of(one)[1] for one in labels.to_pylist()], pa.string())


def _one_by_one(body: object, names: Mapping[str, str]) -> Measurements:
    series = body.get("measurements", ...) if isinstance(body, dict) else ...
    # Go writes null for a list of none.
    series = [] if series is None else series
    if not isinstance(body, dict) or not isinstance(series, list):
        msg = "no list of measurements"
        raise ValueError(msg)  # noqa: TRY004 - the client asks again for a body on which a ValueError is raised
    rows: dict[str, list[Any]] = {name: [] for name in SAMPLES.names}
    misplaced: Counter[str] = Counter()
    returned = set()
    for one in series:
        if not isinstance(one, dict) or not isinstance(one.get("type"), str):
            misplaced["a series of no type"] += 1
            continue
        metric = names.get(one["type"], one["type"])
        returned.add(metric)
        gpu, labels = _labels_of(one.get("labels"))
        for sample in _elements(one.get("values"), misplaced):
            value, text = _number(sample.get("value") if isinstance(sample, dict) else None)
            at = _instant(sample.get("timestamp") if isinstance(sample, dict) else None)
            for name, cell in zip(SAMPLES.names, (metric, gpu, labels, at, value, text), strict=True):
                rows[name].append(cell)
    distributions = list(_distributions(body.get("histogram"), names, returned, misplaced))
    return _placed(
        Measurements(pa.table(rows, SAMPLES), frozenset(returned), distributions=distributions, misplaced=misplaced)
    )


def _placed(found: Measurements) -> Measurements:
    """Leave out samples that have no instant, count them, and say between which instants the others lie."""
    samples = found.samples
    lost = samples.column("sampled_at").null_count
    if lost:
        found.misplaced["a sample without an instant"] += lost
        samples = samples.filter(pc.is_valid(samples.column("sampled_at")))
    bounds = pc.min_max(samples.column("sampled_at").cast(pa.int64())).as_py()
    return replace(found, samples=samples, bounds=(bounds["min"], bounds["max"]) if samples.num_rows else None)


def _distributions(
    parts: object, names: Mapping[str, str], returned: set[str], misplaced: Counter[str]
) -> Iterator[Distribution]:
    for part in _elements(parts, misplaced):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            misplaced["a series of no type"] += 1
            continue
        metric = names.get(part["type"], part["type"])
        returned.add(metric)
        labels = _as_object(part.get("labels"))
        for one in _elements(part.get("values"), misplaced):
            data = one.get("data") if isinstance(one, dict) else None
            at = _instant(one.get("timestamp")) if isinstance(one, dict) else None
            if at is None or not isinstance(data, dict):
                misplaced["a sample without an instant" if at is None else "a histogram without data"] += 1
                continue
            yield Distribution(
                metric, as_json(labels) if labels else None, at, {name: _text(cell) for name, cell in data.items()}
            )


def _elements(found: object, misplaced: Counter[str]) -> list[Any]:
    if not isinstance(found, list | None):
        misplaced["what is no list where one belongs"] += 1
    return found if isinstance(found, list) else []


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
