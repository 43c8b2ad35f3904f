"""What a body of metrics says, read plainly: one sample or distribution after the other."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sources.runai.reading.fields import as_instant, as_json
from sources.runai.reading.measurements import LARGEST_READING, LONGEST_NAME, NO_INSTANT, TOO_LONG, Measurements

# Metric, GPU, other labels as JSON, instant, value, and the text of what is no number.
Sample = tuple[str, str | None, str | None, datetime, float | None, str | None]
# Metric, labels as JSON, instant, and the JSON of texts by bucket or percentile.
Distribution = tuple[str, str | None, datetime, str]


@dataclass
class Body:
    """The good samples in their order, and by what is wrong with it how much of the body no table can hold."""

    samples: list[Sample] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)
    misplaced: Counter[str] = field(default_factory=Counter)

    def inside(self, start: datetime, end: datetime) -> tuple[list[Sample], list[Distribution], Counter[str]]:
        """What tables hold of the body as the answer to a window, ends included, and what the ledger tells of it."""
        told = self.misplaced.copy()
        spread = [one for one in self.distributions if start <= one[2] <= end]
        told["a sample outside the window"] += len(self.distributions) - len(spread)
        kept: dict[tuple[Any, ...], Sample] = {}
        for sample in self.samples:
            if not start <= sample[3] <= end:
                told["a sample outside the window"] += 1
            elif sample[:4] in kept:
                told["a sample of an instant that was there already"] += 1
            else:
                kept[sample[:4]] = sample
        return list(kept.values()), spread, told


def plainly(body: dict[str, Any]) -> Body:
    """Read a parsed body with a list of measurements."""
    found = Body()
    for part in body["measurements"] or ():
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            found.misplaced["a series of no type"] += 1
            continue
        labels = _labels(part.get("labels"))
        if max(map(len, (part["type"], *filter(None, labels)))) > LONGEST_NAME:
            found.misplaced[TOO_LONG] += 1
            continue
        for sample in _list(part.get("values"), found):
            try:
                at = as_instant(sample["timestamp"])
            except (KeyError, TypeError, ValueError):
                found.misplaced[NO_INSTANT] += 1
                continue
            found.samples.append((part["type"], *labels, at, *_number(sample.get("value"))))
    for part in _list(body.get("histogram"), found):
        _add_distributions(found, part)
    return found


def _add_distributions(found: Body, part: object) -> None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        found.misplaced["a series of no type"] += 1
        return
    labels = as_json(part["labels"]) if part.get("labels") else None
    if max(len(part["type"]), len(labels or "")) > LONGEST_NAME:
        found.misplaced[TOO_LONG] += 1
        return
    for one in _list(part.get("values"), found):
        try:
            at, data = as_instant(one["timestamp"]), one.get("data")
        except (KeyError, TypeError, ValueError):
            found.misplaced[NO_INSTANT] += 1
            continue
        if isinstance(data, dict):
            texts = {name: cell if isinstance(cell, str) else as_json(cell) for name, cell in data.items()}
            found.distributions.append((part["type"], labels, at, as_json(texts)))
        else:
            found.misplaced["a histogram without data"] += 1


def in_rows(found: Measurements) -> list[Sample]:
    """The samples as the program has read them."""
    columns = (found.instants, found.values, found.texts)
    of_samples = zip(*(column.to_pylist() if column else [None] * len(found.values) for column in columns), strict=True)
    of_series = [one[:3] for one in found.series for _ in range(one.length)]
    return [(*series, *sample) for series, sample in zip(of_series, of_samples, strict=True)]


def _list(part: object, found: Body) -> list[Any]:
    found.misplaced["what is no list where one belongs"] += not isinstance(part, list | None)
    return part if isinstance(part, list) else []


def _labels(labels: object) -> tuple[str | None, str | None]:
    if not isinstance(labels, dict):
        return None, None if labels is None else as_json(labels)
    gpu, others = labels.get("gpu"), {name: label for name, label in labels.items() if name != "gpu"}
    others = {name: label for name, label in others.items() if label is not None}
    return gpu if isinstance(gpu, str | None) else as_json(gpu), as_json(others) if others else None


def _number(value: object) -> tuple[float | None, str | None]:
    text = value if isinstance(value, str | None) else as_json(value)
    try:
        number = math.nan if text is None else float(text)
    except ValueError:
        return None, text
    return (number, None) if abs(number) < LARGEST_READING else (None, text)
