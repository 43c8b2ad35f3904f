"""Metrics of pods: one request per pod, window and nine types; its samples and its ledger row travel together.

Bodies become Arrow tables in the threads that fetched them, so that parsing keeps up with the network; what is left
for the one thread that writes is to put many answers together.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import pyarrow as pa

from sources.runai.catalogue import CATALOGUE
from sources.runai.client import Reply, RunaiClient
from sources.runai.errors import ApiError, BadRequest, NotFound
from sources.runai.params import timestamp
from sources.runai.reading.fields import as_json
from sources.runai.reading.measurements import Distribution, Measurements, measurements_of
from sources.runai.reading.metric_limits import Answer, MetricLimits
from sources.runai.reading.observations import Batch, as_table
from sources.runai.reading.payload import Row
from sources.runai.reading.progress import SILENT, Progress
from sources.runai.reading.samples import Samples
from sources.runai.reading.windows import MetricTarget, Window, windows_of
from sources.runai.schemas import INSTANT, TABLES

BATCH_SAMPLES: Final = 100_000
PARSERS: Final = 2
"""Bodies that are parsed at once. Arrow lets go of the interpreter in every call: with sixteen threads that all want it
back, reading took a third more CPU."""


@dataclass
class MetricsReport:
    """What reading metrics did: windows are counted by the status that the ledger gives them."""

    samples_read: int = 0
    windows: Counter[str] = field(default_factory=Counter)
    off: frozenset[str] = frozenset()

    @property
    def windows_failed(self) -> int:
        """Windows that could not be had."""
        return self.windows["failed"]


class MetricReading:
    """A reading of metrics that can pause: each call of `batches` goes on where the one before stopped.

    One pod's failure is a row of the ledger, never the end of the reading.
    """

    def __init__(
        self,
        client: RunaiClient,
        targets: Iterable[MetricTarget],
        *,
        types: Sequence[str],
        as_of: datetime,
        resolution: int = 60,
        report: MetricsReport | None = None,
        progress: Progress = SILENT,
        expected: int | None = None,
    ) -> None:
        """Prepare to read; nothing is asked yet.

        Args:
            client: the signed-in client.
            targets: the pods.
            types: metric types of the catalogue, for targets that name none.
            as_of: where windows end, less the settle lag.
            resolution: seconds between samples, for targets that name none.
            report: is added to.
            progress: is told after each request.
            expected: how many windows there will be, where that is known: tells the time left.
        """
        self.report = report or MetricsReport()
        self.is_done = False
        self._client = client
        self._progress = progress
        self._limits = MetricLimits()
        self._began = time.monotonic()
        self._samples = self._windows_done = 0
        self._expected = expected
        self._names = {CATALOGUE[name].called(client.version): name for name in CATALOGUE}
        self._parsers = threading.BoundedSemaphore(PARSERS)
        self._windows = (window for target in targets for window in windows_of(target, types, as_of, resolution))

    def batches(self, pause_after: timedelta | None = None) -> Iterator[Batch]:
        """Yield samples, histograms and ledger rows until all is read, or the time is up.

        Raises:
            SignInError: the credentials are refused, so that no further request can succeed.
        """
        waiting: list[Answer] = []
        samples = read_index = 0
        for answers in self._client.map(self._ask, self._until(pause_after)):
            self._tell(answers)
            for window, answer in answers:
                waiting.append((window, answer))
                samples += len(answer.body.instants) if isinstance(answer, Reply) else 0
            if samples >= BATCH_SAMPLES:
                read_index = yield from self._flush(waiting, read_index)
                samples = 0
        yield from self._flush(waiting, read_index)
        self.report.off = self._limits.off

    def _tell(self, answers: list[Answer]) -> None:
        samples = sum(len(answer.body.instants) for _, answer in answers if isinstance(answer, Reply))
        self._samples += samples
        self._windows_done += 1
        spent = max(time.monotonic() - self._began, 1e-9)
        ahead = max(self._expected - self._windows_done, 0) if self._expected else 0
        seconds = spent / self._windows_done * ahead
        left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s" if seconds >= 1 else ""
        self._progress.advance(
            samples=self._samples,
            samples_a_second=int(self._samples / spent),
            retries=self._client.stats.snapshot().retries,
            left=left,
        )

    def _until(self, pause_after: timedelta | None) -> Iterator[Window]:
        end = None if pause_after is None else time.monotonic() + pause_after.total_seconds()
        while end is None or time.monotonic() < end:
            window = next(self._windows, None)
            if window is None:
                self.is_done = True
                return
            yield window

    def _ask(self, window: Window) -> list[Answer]:
        return self._limits.ask(window, self._get)

    def _get(self, window: Window) -> Reply[Measurements]:
        version = self._client.version
        workload_id, pod_id = (quote(part, safe="") for part in (window.target.workload_id, window.target.pod_id))
        params = {
            "metricType": [CATALOGUE[name].called(version) for name in window.types],
            "start": timestamp(window.start),
            "end": timestamp(window.end),
            "numberOfSamples": window.samples,
        }
        path = f"/api/v1/workloads/{workload_id}/pods/{pod_id}/metrics"
        return self._client.get(path, params, parse=self._parse, accept=(200, 207))

    def _parse(self, body: bytes) -> Measurements:
        with self._parsers:
            return measurements_of(body, self._names)

    def _flush(self, answers: list[Answer], read_index: int) -> Generator[Batch, None, int]:
        """Yield what the answers hold and forget them; returns the next place in the reading."""
        found = _Found(answers, self._client.clock(), self._limits)
        for table, rows in found.batches():
            if rows.num_rows:
                places = pa.arange(read_index, read_index + rows.num_rows)
                yield table, _as_raw(rows.append_column("read_index", places), TABLES[table])
                read_index += rows.num_rows
        self.report.samples_read += found.samples.table.num_rows
        self.report.windows.update(row["status"] for row in found.ledger)
        answers.clear()
        return read_index


class _Found:
    """Many answers as columns. `place` is an answer's position among them."""

    def __init__(self, answers: Sequence[Answer], now: datetime, limits: MetricLimits) -> None:
        self._windows = [window for window, _ in answers]
        self._answers = [answer for _, answer in answers]
        self._limits = limits
        self._observed = [answer.received_at if isinstance(answer, Reply) else now for answer in self._answers]
        bodies = [answer.body if isinstance(answer, Reply) else None for answer in self._answers]
        self.samples = Samples(bodies, [(window.start, window.end) for window in self._windows])
        self._strays = self.samples.strays
        self._distributions = [list(self._distributions_inside(place)) for place in range(len(answers))]
        self.ledger = [row for place in range(len(answers)) for row in self._ledger_rows(place)]

    def batches(self) -> Iterator[Batch]:
        """Yield the rows of each raw table, all but `read_index`."""
        yield "pod_metrics", self._of_pods(self.samples.table)
        yield "pod_metric_histograms", as_table(list(self._histograms()), _without_place("pod_metric_histograms"))
        yield "metric_windows", as_table(self.ledger, _without_place("metric_windows"))

    def _of_pods(self, samples: pa.Table) -> pa.Table:
        place = samples.column("place").combine_chunks()
        pods = pa.array([window.target.pod_id for window in self._windows], pa.string())
        observed = pa.array(self._observed, INSTANT)
        return (
            samples.drop_columns("place")
            .append_column("pod_id", pa.DictionaryArray.from_arrays(place, pods))
            .append_column("observed_at", observed.take(place))
        )

    def _distributions_inside(self, place: int) -> Iterator[Distribution]:
        window, answer = self._windows[place], self._answers[place]
        for one in answer.body.distributions if isinstance(answer, Reply) else ():
            if window.start <= one.sampled_at <= window.end:
                yield one
            else:
                self._strays[place] += 1

    def _histograms(self) -> Iterator[Row]:
        for place, distributions in enumerate(self._distributions):
            for one in distributions:
                yield {
                    "pod_id": self._windows[place].target.pod_id,
                    "metric": one.metric,
                    "labels": one.labels,
                    "sampled_at": one.sampled_at,
                    "data": as_json(one.data),
                    "observed_at": self._observed[place],
                }

    def _ledger_rows(self, place: int) -> Iterator[Row]:
        window, answer = self._windows[place], self._answers[place]
        row: Row = {
            "pod_id": window.target.pod_id,
            "workload_id": window.target.workload_id,
            "asked": as_json(window.types),
            "window_from": window.start,
            "window_to": window.end,
            "resolution_seconds": window.resolution,
            "http_status": answer.status,
            "samples": 0,
            "expected_samples": window.expected,
            "started_at": window.target.started_at,
            "ended_at": window.target.ended_at,
            "attempt": window.target.attempt,
            "observed_at": self._observed[place],
        }
        if isinstance(answer, ApiError):
            yield row | {"status": self._failure(window, answer), "reason": str(answer)}
            return
        off = [name for name in window.types if name not in answer.body.returned and self._limits.is_off(name)]
        if off:
            yield row | {
                "asked": as_json(off),
                "status": "disabled",
                "reason": "left out of the answer",
            }
        asked = [name for name in window.types if name not in off]
        if asked:
            yield row | {"asked": as_json(asked)} | self._outcome(place, asked, answer.body)

    def _failure(self, window: Window, error: ApiError) -> str:
        if isinstance(error, NotFound):
            return "not_found"
        is_refused = isinstance(error, BadRequest) and all(self._limits.is_off(name) for name in window.types)
        return "disabled" if is_refused else "failed"

    def _outcome(self, place: int, asked: list[str], body: Measurements) -> Row:
        instants = self._instants_of(place, body)
        lacking = sorted(set(asked) - instants.keys())
        expected = self._windows[place].expected
        fewest = min((instants[name] for name in asked if name in instants), default=0)
        if lacking:
            status = "partial"
        elif fewest >= expected:
            status = "ok"
        else:
            status = "short" if any(instants[name] for name in asked) else "empty"
        reasons = [f"not returned: {', '.join(lacking)}"] if lacking else []
        reasons += [f"left out: {what} ({times})" for what, times in body.misplaced.items()]
        if self._strays[place]:
            reasons.append(f"left out: a sample outside the window ({self._strays[place]})")
        if self.samples.repeats[place]:
            reasons.append(f"left out: a sample of an instant that was there already ({self.samples.repeats[place]})")
        return {
            "returned": as_json(instants),
            "status": status,
            "reason": "; ".join(reasons) or None,
            "samples": self.samples.rows[place] + len(self._distributions[place]),
        }

    def _instants_of(self, place: int, body: Measurements) -> dict[str, int]:
        """At how many instants each returned type has samples, on every GPU that it names."""
        instants = self.samples.instants[place]
        histograms: dict[str, set[datetime]] = {}
        for one in self._distributions[place]:
            histograms.setdefault(one.metric, set()).add(one.sampled_at)
        return {name: instants.get(name, 0) + len(histograms.get(name, ())) for name in sorted(body.returned)}


def _as_raw(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows in the schema's order and nullability; texts that repeat stay numbered."""
    ordered = rows.select(schema.names)
    fields = [wanted.with_type(found.type) for wanted, found in zip(schema, ordered.schema, strict=True)]
    return ordered.cast(pa.schema(fields))


def _without_place(table: str) -> pa.Schema:
    schema = TABLES[table]
    return schema.remove(schema.get_field_index("read_index"))
