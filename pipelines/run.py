"""The run protocol: lock, drain, read and load, build, audit, report, publish.

Raw is committed before anything is built from it, and the row in `runs` that moves the cursors is committed last: a run
that dies on the way leaves data that counts, and cursors that do not.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import dlt
import pyarrow as pa
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.failures import causes, known
from pipelines.known import BuildKnown
from pipelines.lock import Lock
from pipelines.metric_plan import MetricPlan, has_floor, metric_floor, pace
from pipelines.plane import claim
from pipelines.progress import SILENT, Progress
from pipelines.reporting import Reporting, reporting
from pipelines.settings import Settings
from pipelines.status import in_words
from pipelines.warehouse import Warehouse
from sources.runai import cluster_pods, pod_metrics_part, pods
from sources.runai.catalogue import CATALOGUE, resolve
from sources.runai.client import RunaiClient
from sources.runai.connection import connection
from sources.runai.reading.metrics import MetricReading, MetricsReport
from sources.runai.reading.observations import ReadingReport
from sources.runai.reading.pods import LOOK_BACK
from sources.runai.schemas import TABLES
from transforms import Build, BuildReport, Finding, Layout, MetricType, prune_generations, publish
from transforms.publication import require_published_runs

CHECKPOINT: Final = timedelta(minutes=2)
"""Metrics are committed at least so often."""
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far a clock may jump back before a run says so: NTP's corrections are smaller."""
VERSION: Final = version("runai-pods")
METRIC_TYPES: Final = [
    MetricType(*(getattr(metric, name) for name in MetricType._fields)) for metric in CATALOGUE.values()
]

_LOG = logging.getLogger(__name__)


@dataclass
class RunResult:
    """What a run did, for the summary. Durations are seconds, counts are rows or requests."""

    run_id: str
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None = None
    first_run: bool = False
    # Whether metrics are wanted for the first time, so that this run says from when on.
    first_metrics: bool = False
    drained_loads: int = 0
    reading: ReadingReport = field(default_factory=ReadingReport)
    metrics: MetricsReport = field(default_factory=MetricsReport)
    requests: int = 0
    retries: int = 0
    read_seconds: float = 0.0
    load_seconds: float = 0.0
    build_seconds: float = 0.0
    publish_seconds: float = 0.0
    build: BuildReport | None = None
    findings: list[Finding] = field(default_factory=list)
    published: Path | None = None
    plan: list[str] = field(default_factory=list)


class _Run:
    """One run under its lock."""

    def __init__(self, settings: Settings, client: RunaiClient, now: datetime, build: Build, run_id: str) -> None:
        self.now = now
        self.settings = settings
        self.client = client
        self.build = build
        self.warehouse = Warehouse(settings)
        self.metrics_since: datetime | None = None
        self.metric_types: tuple[str, ...] = ()
        self.result = RunResult(
            run_id=run_id,
            # Nothing is known of the future: a later --until would move the cursors past what is still to come.
            as_of=min(settings.until, now) if settings.until else now,
            started_at=datetime.now(UTC),
        )

    def prepare(self) -> BuildKnown:
        """Commit what an earlier run left behind, and learn everything that is committed."""
        if not self.settings.dry_run:
            self.result.drained_loads = self.warehouse.drain()
        known = self._learn()
        self.result.first_run = known.last_as_of is None
        self._warn_of_clock(known.last_observed_at())
        return known

    def holds_pods(self, known: BuildKnown) -> bool:
        """Whether the data directory may hold pods already, be it at another destination."""
        places = [*self.settings.dlt_dir.iterdir()]
        return not known.knows_none or len(places) > 1 or Layout(self.settings.data_dir).published.is_symlink()

    def read_pods(self, known: BuildKnown, progress: Progress) -> None:
        """Load 1: pods, absences, counts, rejects."""
        resource = pods(
            self.client,
            known=known,
            # Whatever instant the run stands for, lists and counts are of the present.
            as_of=self.now,
            full=self.settings.full_refresh,
            report=self.result.reading,
            progress=progress,
        )
        self._load([resource, *self.warehouse.missing_tables(is_new=self.result.first_run)])

    def read_details(self, progress: Progress) -> None:
        """Load 2: what is asked pod by pod and cluster by cluster."""
        types = resolve(self.settings.metrics, self.client.version)
        wants_cluster_pods = connection().cluster_pods
        if not types and not wants_cluster_pods:
            return
        known = self._learn()
        if types:
            self._read_metrics(types, progress)
        if wants_cluster_pods:
            resource = cluster_pods(
                known.clusters(),
                self.client,
                known_hashes=known.cluster_pod_hashes(),
                known_rejects=known.rejects,
                report=self.result.reading,
            )
            self._load([resource])

    def _read_metrics(self, types: tuple[str, ...], progress: Progress) -> None:
        """Load metrics in checkpoints: a kill costs what was read since the last."""
        plan = self.metric_plan(types)
        size = plan.size
        if not size.requests:
            return
        progress.stage("metrics", total=size.requests, unit="requests")
        reading = MetricReading(
            self.client,
            plan.targets(),
            types=types,
            as_of=self.result.as_of,
            resolution=self.settings.resolution,
            report=self.result.metrics,
            progress=progress,
            expected=size.requests,
        )
        while not reading.is_done:
            self._load([pod_metrics_part(reading, CHECKPOINT)])

    def metric_plan(self, types: tuple[str, ...]) -> MetricPlan:
        """What is to be asked of these types, after everything that is committed."""
        self.result.first_metrics = not has_floor(self.build.connection)
        self.metrics_since = metric_floor(self.build.connection, self.settings.since, self.result.as_of)
        self.metric_types = types
        return MetricPlan(
            self.build.connection,
            types,
            floor=self.metrics_since,
            as_of=self.result.as_of,
            now=self.now,
            resolution=self.settings.resolution,
        )

    def record(self, outcome: str, error: str | None = None) -> None:
        """Last load: the row in `runs`, which moves the cursors where `open_set_read_at` is set."""
        result, stats = self.result, self.client.stats.snapshot()
        result.requests, result.retries = stats.requests, stats.retries
        result.finished_at = datetime.now(UTC)
        row = {
            "run_id": result.run_id,
            "started_at": result.started_at,
            "finished_at": result.finished_at,
            "as_of": result.as_of,
            "outcome": outcome,
            "error": error,
            "open_set_read_at": result.reading.open_set_read_at if outcome == "loaded" else None,
            "requests": result.requests,
            "retries": result.retries,
            "pods_read": result.reading.pods_read,
            "pods_changed": result.reading.pods_changed,
            "samples_read": result.metrics.samples_read,
            "windows_failed": result.metrics.windows_failed,
            "rejects": result.reading.rejects,
            "rejects_new": result.reading.rejects_new,
            "version": VERSION,
            "metrics_since": self.metrics_since,
            "metric_types": json.dumps(self.metric_types) if self.metric_types else None,
            "arguments": json.dumps(self.settings.arguments(), sort_keys=True),
            "read_seconds": result.read_seconds,
            "load_seconds": result.load_seconds,
            "observed_at": result.finished_at,
            "read_index": 0,
        }
        table = pa.Table.from_pylist([row], schema=TABLES["runs"])
        self.warehouse.load([dlt.resource([table], name="runs", write_disposition="append")])

    def _warn_of_clock(self, last_observed_at: datetime | None) -> None:
        """Say that what is read now will not show yet: the order of a pod's versions is that of the clock."""
        if last_observed_at is None or last_observed_at - self.now <= CLOCK_TOLERANCE:
            return
        behind = in_words((last_observed_at - self.now).total_seconds())
        self.result.reading.warn(
            f"the clock is {behind} behind an earlier run's: until {last_observed_at:%Y-%m-%d %H:%M} UTC, what was "
            "observed then counts as newer than what is read now; nothing is lost, but see that the clock is right"
        )

    def _learn(self) -> BuildKnown:
        self.build.take_in(self.warehouse.raw())
        return BuildKnown(self.build.connection, self.now)

    def _load(self, resources: list[Any]) -> None:
        seconds = self.warehouse.load(resources)
        self.result.read_seconds += seconds.extract
        self.result.load_seconds += seconds.normalize_and_load


def run(
    settings: Settings,
    client: RunaiClient,
    *,
    owner: str | None = None,
    clock: Callable[[], datetime] | None = None,
    run_id: str | None = None,
    progress: Progress = SILENT,
) -> RunResult:
    """Run once, incrementally: read what changed, commit it, build, audit and publish.

    Args:
        settings: the validated arguments.
        client: a client of the control plane.
        owner: the name that a data directory knows it by; by default nobody looks whose pods are there.
        clock: tells the instant that the run stands for; by default the client's clock.
        run_id: names the run in the table `runs` and in its log; a new one by default.
        progress: is told what happens.

    Raises:
        LockHeld: another run works on this data directory.
        AnotherPlane: the data directory holds pods of another control plane.
        RunsForgotten: runs that are published are not in raw.
        RunaiError: the control plane could not be read; what was committed before stays.
        PublicationStopped: an audit failed; the last good generation stays in place.
        UsageError: the settings of the reports cannot work.
    """
    layout, answers = Layout(settings.data_dir), reporting()
    with Lock(layout.state), _open_build(layout, answers, make_room=not settings.dry_run) as build:
        this = _Run(settings, client, (clock or client.clock)(), build, run_id or uuid4().hex)
        known = this.prepare()
        # Before anything is read: what would be built of another raw may not take their place.
        require_published_runs(layout, build)
        if owner is not None:
            claim(settings, owner, holds_pods=this.holds_pods(known))
        if settings.dry_run:
            this.result.plan = plan(this, known)
            return this.result
        try:
            this.read_pods(known, progress)
            this.read_details(progress)
        except PipelineStepFailed as error:
            cause = root_cause(error)
            try:
                this.record("failed", str(cause))
            except (PipelineStepFailed, OSError) as unnoted:
                # On a full disk, say: what failed first is what the user has to know.
                _LOG.warning("that the run failed could not be noted: %s", root_cause(unnoted))
            raise cause from None
        this.record("loaded")
        _publish(this.result, layout, build, this.warehouse, progress)
        return this.result


def rebuild(settings: Settings, *, progress: Progress = SILENT) -> RunResult:
    """Build models, audit and publish again from raw, without the API.

    Raises:
        LockHeld: another run works on this data directory.
        NothingLoaded: no load is committed at this destination.
        PublicationStopped: an audit failed; the last good generation stays in place.
        RunsForgotten: runs that are published are not in raw; the last good generation stays in place.
        UsageError: the settings of the reports cannot work.
    """
    layout, answers = Layout(settings.data_dir), reporting()
    now = datetime.now(UTC)
    with Lock(layout.state), _open_build(layout, answers) as build:
        warehouse = Warehouse(settings)
        result = RunResult(uuid4().hex, as_of=now, started_at=now, drained_loads=warehouse.drain())
        warehouse.loaded()
        build.start_over()
        _publish(result, layout, build, warehouse, progress)
        return result


def _open_build(layout: Layout, answers: Reporting, *, make_room: bool = True) -> Build:
    if make_room:
        # Where the disk is full, the run needs it before it publishes.
        prune_generations(layout)
    return Build(
        layout,
        METRIC_TYPES,
        time_zone=answers.time_zone,
        thresholds=answers.thresholds,
        rate_card=answers.rate_card,
    )


def plan(this: _Run, known: BuildKnown) -> list[str]:
    """Say what a run would ask for, without asking."""
    last = known.last_as_of
    if last is None or this.settings.full_refresh:
        lines = ["pods: everything the API offers, in slices of createdAt, deleted pods included"]
    else:
        lines = [
            f"pods: the open set ({len(known.open())} pods known to be open)",
            f"pods: completed and deleted since {(last - LOOK_BACK).isoformat()}",
            "pods: those that vanished, by workload; counts, as the referee",
        ]
    if types := resolve(this.settings.metrics, this.client.version):
        lines.append(f"metrics: {_metrics_ahead(this, types, is_first=last is None)}")
    return lines


def _metrics_ahead(this: _Run, types: tuple[str, ...], *, is_first: bool) -> str:
    """Say how much there is to ask; pods that nobody has read yet cannot be counted."""
    metric_plan = this.metric_plan(types)
    since = f"from {metric_plan.floor:%Y-%m-%d %H:%M} UTC on, every {metric_plan.resolution} s"
    if is_first:
        return f"of every pod that ran, {since}; how many requests is known once pods are"
    size = metric_plan.size
    told = f"{size.requests:,} requests for up to {size.samples:,} samples (of each GPU) of {size.pods:,} pods, {since}"
    seconds = pace(this.build.connection, this.settings.concurrency)
    if seconds is None or not size.requests:
        return told
    return f"{told}; about {in_words(size.requests * seconds)}, at the pace of the last run"


def root_cause(error: BaseException) -> BaseException:
    """Return what a failed pipeline step failed of: the first error that can be told, or else the innermost."""
    *outer, innermost = causes(error)
    return next(filter(known, outer), innermost)


def _publish(result: RunResult, layout: Layout, build: Build, warehouse: Warehouse, progress: Progress) -> None:
    progress.stage("build")
    began = time.perf_counter()
    build.take_in(warehouse.raw())
    result.build = build.refresh()
    result.findings = build.audit()
    result.build_seconds = time.perf_counter() - began
    progress.stage("publish")
    began = time.perf_counter()
    result.findings = publish(layout, build, result.build, result.findings, VERSION).warnings
    result.publish_seconds = time.perf_counter() - began
    result.as_of = result.build.as_of or result.as_of
    result.finished_at = datetime.now(UTC)
    result.published = layout.published
