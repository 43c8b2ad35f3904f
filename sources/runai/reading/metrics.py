"""Metrics of pods: one request per pod and window, its samples and its ledger row together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final
from urllib.parse import quote

from sources.runai.catalogue import requests_of
from sources.runai.client import Reply, RunaiClient
from sources.runai.errors import ApiError, NotFound, SignInError
from sources.runai.params import timestamp
from sources.runai.reading.fields import as_instant, as_json
from sources.runai.reading.observations import BATCH_ROWS, Batch, as_table
from sources.runai.reading.payload import Row
from sources.runai.reading.progress import SILENT, Progress
from sources.runai.schemas import TABLES

MOST_TYPES: Final = 9
MOST_SAMPLES: Final = 1_000
SETTLE_LAG: Final = timedelta(seconds=120)
"""Samples younger than this may still change or arrive."""
LARGEST_READING: Final = 1e18
"""Values at or above are sentinels of the GPU driver for "no reading", such as 9.2e18."""


@dataclass(frozen=True, slots=True)
class MetricTarget:
    """A pod whose metrics are wanted from `since` on."""

    pod_id: str
    workload_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one pod's life on the grid of multiples of the resolution."""

    target: MetricTarget
    start: datetime
    end: datetime
    resolution: int

    @property
    def samples(self) -> int:
        """How many samples the window holds at its resolution."""
        return int((self.end - self.start).total_seconds()) // self.resolution


@dataclass
class MetricsReport:
    """What reading metrics did."""

    samples_read: int = 0
    windows_failed: int = 0


def windows_of(target: MetricTarget, as_of: datetime, resolution: int) -> Iterator[Window]:
    """Yield the pod's windows on the grid, oldest first, each of at most 1,000 samples."""
    start, end = _on_grid(target.since, resolution), _on_grid(as_of - SETTLE_LAG, resolution)
    longest = timedelta(seconds=resolution) * MOST_SAMPLES
    while start < end:
        yield Window(target, start, min(start + longest, end), resolution)
        start += longest


def read_metrics(
    client: RunaiClient,
    targets: Iterable[MetricTarget],
    *,
    types: Sequence[str],
    as_of: datetime,
    resolution: int = 60,
    report: MetricsReport | None = None,
    progress: Progress = SILENT,
) -> Iterator[Batch]:
    """Yield samples and ledger rows; one pod's failure is a row of the ledger, never the end of the reading.

    Args:
        client: the signed-in client.
        targets: the pods.
        types: metric types of the catalogue.
        as_of: where windows end, less the settle lag.
        resolution: seconds between samples.
        report: is added to.
        progress: is told after each pod.

    Raises:
        SignInError: the credentials are refused, so that no further request can succeed.
    """
    report = report or MetricsReport()
    rows: dict[str, list[Row]] = {"pod_metrics": [], "metric_windows": []}
    read_index = 0
    windows = [window for target in targets for window in windows_of(target, as_of, resolution)]
    asked = list(product(windows, requests_of(types, MOST_TYPES)))
    progress.stage("metrics", total=len(asked), unit="requests")
    for window, group, answer in client.map(lambda pair: (*pair, _ask(client, *pair)), asked):
        samples, ledger = _read(window, answer, group)
        report.samples_read += len(samples)
        report.windows_failed += ledger["status"] == "failed"
        observed_at = answer.received_at if isinstance(answer, Reply) else client.clock()
        for table, row in [*(("pod_metrics", sample) for sample in samples), ("metric_windows", ledger)]:
            rows[table].append(row | {"observed_at": observed_at, "read_index": read_index})
            read_index += 1
        progress.advance(samples=report.samples_read)
        if len(rows["pod_metrics"]) >= BATCH_ROWS * 10:
            yield from _batches(rows)
    yield from _batches(rows)


def _batches(rows: dict[str, list[Row]]) -> Iterator[Batch]:
    for table, items in rows.items():
        if items:
            yield table, as_table(items, TABLES[table])
            items.clear()


def _ask(client: RunaiClient, window: Window, types: Sequence[str]) -> Reply[Any] | ApiError:
    workload_id, pod_id = (quote(part, safe="") for part in (window.target.workload_id, window.target.pod_id))
    path = f"/api/v1/workloads/{workload_id}/pods/{pod_id}/metrics"
    params = {
        "metricType": list(types),
        "start": timestamp(window.start),
        "end": timestamp(window.end),
        "numberOfSamples": window.samples,
    }
    try:
        return client.get(path, params, accept=(200, 207))
    except SignInError:
        raise
    except ApiError as error:
        return error


def _read(window: Window, answer: Reply[Any] | ApiError, types: Sequence[str]) -> tuple[list[Row], Row]:
    ledger: Row = {
        "pod_id": window.target.pod_id,
        "workload_id": window.target.workload_id,
        "asked": as_json(types),
        "window_from": window.start,
        "window_to": window.end,
        "resolution_seconds": window.resolution,
        "samples": 0,
        "attempt": 1,
    }
    if isinstance(answer, ApiError):
        status = "not_found" if isinstance(answer, NotFound) else "failed"
        return [], ledger | {"status": status, "reason": str(answer), "http_status": answer.status}
    measurements = answer.body.get("measurements") if isinstance(answer.body, dict) else None
    if not isinstance(measurements, list):
        return [], ledger | {
            "status": "failed",
            "reason": "no measurements in the answer",
            "http_status": answer.status,
        }
    samples = [sample for series in measurements if isinstance(series, dict) for sample in _samples(window, series)]
    returned = sorted({str(series.get("type")) for series in measurements if isinstance(series, dict)})
    lacking = sorted(set(types) - set(returned))
    status = "partial" if lacking else "ok" if samples else "empty"
    return samples, ledger | {
        "returned": as_json(returned),
        "status": status,
        "reason": f"not returned: {', '.join(lacking)}" if lacking else None,
        "http_status": answer.status,
        "samples": len(samples),
    }


def _samples(window: Window, series: dict[str, Any]) -> Iterator[Row]:
    labels = dict(series["labels"]) if isinstance(series.get("labels"), dict) else {}
    gpu = labels.pop("gpu", None)
    common: Row = {
        "pod_id": window.target.pod_id,
        "metric": str(series.get("type")),
        "gpu": None if gpu is None else str(gpu),
        "labels": as_json(labels) if labels else None,
    }
    values = series.get("values")
    for sample in values if isinstance(values, list) else ():
        if isinstance(sample, dict):
            value, text = _number(sample.get("value"))
            yield common | {"sampled_at": _instant(sample.get("timestamp")), "value": value, "value_text": text}


def _number(value: object) -> tuple[float | None, str | None]:
    """Return the number, or the text of what is none."""
    try:
        number = float(value)  # type: ignore[arg-type] # whatever it is, it is a number or an error
    except (TypeError, ValueError):
        return None, None if value is None else str(value)
    if not math.isfinite(number) or abs(number) >= LARGEST_READING:
        return None, str(value)
    return number, None


def _instant(value: object) -> datetime | None:
    try:
        return as_instant(value)
    except ValueError:
        return None


def _on_grid(instant: datetime, resolution: int) -> datetime:
    seconds = math.floor(instant.timestamp())
    return datetime.fromtimestamp(seconds - seconds % resolution, UTC)
