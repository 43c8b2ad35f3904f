"""Which metrics a run asks for: what is wanted of each pod's life, less what the ledger says is final.

Wanted is the pod's life from the metric floor on. Of it, one stretch without a gap was asked for before; what lies
after it is asked for forwards, and what lies before it, where the floor moved back, from its newest end backwards, so
that a run which stops anywhere leaves one stretch again. Inside it, windows that are not final are asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import duckdb

from sources.runai.catalogue import CATALOGUE
from sources.runai.reading.windows import SETTLE_LAG, MetricTarget, windows_of
from transforms import ledger
from transforms.sql import scalar

METRIC_HORIZON: Final = timedelta(hours=24)
"""How far back a first run reads unless it is told otherwise."""
_ENOUGH_REQUESTS: Final = 20
"""Of fewer requests, most of the time is not theirs."""


@dataclass(frozen=True)
class Size:
    """What a plan comes to; a type that each GPU has is one series here, since a plan knows no GPUs."""

    pods: int
    requests: int
    samples: int


@dataclass
class MetricPlan:
    """What is to be asked, as a function of the pods and the ledger in the build database; nothing is kept of it.

    Attributes:
        con: the build database, with every committed load taken in.
        types: metric types of the catalogue.
        floor: where metrics begin to be wanted.
        as_of: where windows end, less the settle lag.
        now: the present; windows are asked for again by it.
        resolution: seconds between samples.
    """

    con: duckdb.DuckDBPyConnection
    types: Sequence[str]
    floor: datetime
    as_of: datetime
    now: datetime
    resolution: int

    @cached_property
    def size(self) -> Size:
        """What the plan comes to."""
        pods: set[str] = set()
        requests = samples = 0
        for target in self.targets():
            for window in windows_of(target, self.types, self.as_of, self.resolution):
                pods.add(target.pod_id)
                requests += 1
                samples += window.samples * len(window.types)
        return Size(len(pods), requests, samples)

    def targets(self) -> Iterator[MetricTarget]:
        """Yield what to ask, pod by pod."""
        if self._rows:
            for pod, workload, since, until, metrics, *rest in ledger.planned(self.con):
                yield MetricTarget(pod, workload, since, until, tuple(metrics), *rest)

    @cached_property
    def _rows(self) -> int:
        return ledger.needs(
            self.con,
            [(name, CATALOGUE[name].needs_gpu) for name in self.types],
            floor=self.floor,
            settled=self.as_of - SETTLE_LAG,
            now=self.now,
            resolution=self.resolution,
        )


def metric_floor(con: duckdb.DuckDBPyConnection, since: datetime | None, as_of: datetime) -> datetime:
    """Return where metrics begin to be wanted; it only moves back, whatever later runs ask for."""
    known = scalar(con, "select min(metrics_since) from build.main.raw_runs")
    floor: datetime = min(filter(None, (since, known)), default=as_of - METRIC_HORIZON)
    # A run that was killed says nothing of it, and has asked; pods that began later are asked of from then on.
    asked = scalar(con, "select min(asked_from) from build.main.metric_spans")
    return floor if asked is None else min(floor, asked)


def has_floor(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether an earlier run has said where metrics begin to be wanted."""
    return scalar(con, "select 1 from build.main.raw_runs where metrics_since is not null limit 1") is not None


def pace(con: duckdb.DuckDBPyConnection, concurrency: int | None) -> float | None:
    """Return the seconds that a request took in the newest run that read samples with as many at once; None before."""
    seconds: float | None = scalar(
        con,
        f"""
        select read_seconds / requests
        from build.main.raw_runs
        where outcome = 'loaded' and samples_read > 0 and requests >= {_ENOUGH_REQUESTS}
            and cast(arguments ->> '$.concurrency' as bigint) is not distinct from {concurrency or "null"}
        order by as_of desc, finished_at desc
        limit 1
        """,
    )
    return seconds
