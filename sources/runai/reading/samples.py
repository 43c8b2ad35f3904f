"""The samples of many answers as one table: what repeats is written once, and counted where it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sources.runai.reading.measurements import Measurements
from sources.runai.schemas import INSTANT

# Texts that repeat a million times are numbers on their way to the disk.
_NUMBERED: Final = pa.dictionary(pa.int32(), pa.string())
SAMPLES: Final = pa.schema(
    [
        pa.field("metric", _NUMBERED),
        pa.field("gpu", _NUMBERED),
        pa.field("labels", _NUMBERED),
        pa.field("sampled_at", INSTANT),
        pa.field("value", pa.float64()),
        pa.field("value_text", pa.string()),
        pa.field("place", pa.int32()),
    ]
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Integers = npt.NDArray[np.int64]


class Samples:
    """Those samples of some answers that lie in the windows that were asked for, both ends included.

    Attributes:
        table: has the columns of `SAMPLES`; `place` is the answer's position.
        rows: by place, how many samples there are.
        instants: by place and metric, at how many instants that GPU has samples which has the fewest.
        strays: by place, samples outside the window.
        repeats: by place, samples of a series and an instant of which there was one already in that answer.
    """

    def __init__(self, bodies: Sequence[Measurements | None], windows: Sequence[tuple[datetime, datetime]]) -> None:
        """Gather the samples of `bodies`, None being an answer without one, by the windows of each (UTC)."""
        found = [body for body in bodies if body is not None]
        series = [(place, one) for place, body in enumerate(bodies) if body is not None for one in body.series]
        of_series = np.repeat(np.arange(len(series)), np.array([one.length for _, one in series], np.int64))
        place = np.array([place for place, _ in series], np.int64)[of_series]
        instants = _joined([body.instants for body in found], INSTANT)
        at = instants.cast(pa.int64()).to_numpy()
        starts, ends = (np.array([_micros(window[end]) for window in windows], np.int64) for end in (0, 1))
        is_inside = (starts[place] <= at) & (at <= ends[place])
        table = pa.Table.from_arrays(
            [
                _numbered([one.metric for _, one in series], of_series),
                _numbered([one.gpu for _, one in series], of_series),
                _numbered([one.labels for _, one in series], of_series),
                instants,
                _joined([body.values for body in found], pa.float64()),
                _joined([_texts(body) for body in found], pa.string()),
                pa.array(place.astype(np.int32)),
            ],
            schema=SAMPLES,
        )
        self.strays = Counter[int](place[~is_inside].tolist())
        is_first = _is_first(_by([(place, *one[:3]) for place, one in series])[of_series], at)
        self.repeats = Counter[int](place[is_inside & ~is_first].tolist())
        is_kept = is_inside & is_first
        if not is_kept.all():
            table, of_series, place, at = table.filter(is_kept), of_series[is_kept], place[is_kept], at[is_kept]
        self.table = table
        self.rows: list[int] = np.bincount(place, minlength=len(bodies)).tolist()
        self.instants: list[dict[str, int]] = [{} for _ in bodies]
        keys = [(place, one.metric, one.gpu) for place, one in series]
        for (answer, metric, _), count in _distinct(keys, of_series, at).items():
            told = self.instants[answer]
            told[metric] = min(count, told.get(metric, count))


def _distinct(keys: Sequence[tuple[Any, ...]], of_series: Integers, at: Integers) -> dict[tuple[Any, ...], int]:
    """Count the instants by key, of which several series may have one."""
    of_key = _by(keys)[of_series]
    counts = np.bincount(of_key[_is_first(of_key, at)], minlength=len(set(keys))).tolist()
    return dict(zip(dict.fromkeys(keys), counts, strict=True))


def _by(keys: Sequence[tuple[Any, ...]]) -> Integers:
    """Number the keys in the order in which they first come."""
    numbers: dict[tuple[Any, ...], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _is_first(of_key: Integers, at: Integers) -> npt.NDArray[np.bool_]:
    """Whether each sample is the first of its key and instant."""
    is_first = np.ones(len(at), np.bool_)
    if not ((np.diff(at) > 0) | (np.diff(of_key) > 0)).all():
        order = np.lexsort((at, of_key))
        is_first[order[1:]] = (np.diff(at[order]) > 0) | (np.diff(of_key[order]) > 0)
    return is_first


def _numbered(texts: Sequence[str | None], of_series: Integers) -> pa.DictionaryArray:
    by_series = pa.array(texts, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(by_series.indices.take(pa.array(of_series)), by_series.dictionary)


def _joined(arrays: Sequence[pa.Array], of: pa.DataType) -> pa.Array:
    return pa.concat_arrays(arrays) if arrays else pa.array([], of)


def _texts(body: Measurements) -> pa.Array:
    return pa.nulls(len(body.values), pa.string()) if body.texts is None else body.texts


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
