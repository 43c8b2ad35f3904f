"""What `pod_metric_coverage` must say, from the lives of the pods and from the samples that are there or are lost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from simulator.instants import SECOND, micros, moment
from simulator.world.metrics import gauges
from sources.runai.reading.windows import SETTLE_LAG
from tests.behaviour.columns import Row, row_differences
from tests.behaviour.lives import Life, lives
from tests.behaviour.scene import Scene

Key = tuple[str, str]
"""A pod and a metric."""

_INSTANTS: Final = """
select pod_id, metric, count(distinct sampled_at)
from (
    select pod_id, metric, sampled_at from pod_metrics
    union all
    select pod_id, metric, sampled_at from pod_metric_histograms
)
group by all
"""
_METRICS: Final = re.compile("/api/v1/workloads/[^/]+/pods/([^/]+)/metrics")
_ROUNDING: Final = 1e-6
# What may be told in words, by status; what went wrong is told in those of the error.
_ERROR: Final = ".+"
_REASONS: Final = {
    "ok": "",
    "not_applicable": "the pod has no GPU",
    "not_found": "the control plane no longer knows the pod",
    "empty": "the control plane has no sample of it",
    "partial": "the control plane has samples of a part only",
    "pending": "not asked yet|not all of it came yet|asked seldom: .* no sign of a NIM|not returned: .+|left out: .+",
    "disabled": "not given by this control plane|left out of the answer|.*not enabled.*",
    "expired": f"given up after 15 days: {_ERROR}",
    "failed": _ERROR,
}


def coverage_differences(
    here: Scene, types: Sequence[str], since: datetime, resolution: int, lost: Mapping[Key, int]
) -> list[str]:
    """Say which rows are lost or made up, tell of other stretches or samples than there are, or have a false reason.

    Args:
        here: the scene, at the end of its last run, which asked for all the types.
        types: metric types.
        since: where metrics begin to be wanted.
        resolution: seconds between samples.
        lost: how many samples of the truth lack, by pod and metric.
    """
    shown = here.shown()
    told = {(row["pod_id"], row["metric"]): row for row in here.rows("pod_metric_coverage") if row["pod_id"] in shown}
    there, statuses = _instants(here), _statuses(here)
    wanted: dict[Key, Row] = {}
    for life in lives(here):
        start, end = _stretch(life, micros(since), micros(here.clock.now() - SETTLE_LAG))
        if start is None:
            continue
        bounds = {"wanted_from": moment(start), "wanted_to": moment(end)}
        for metric in types:
            key = life.pod.id, metric
            applies = gauges()[metric].needs == "pod" or life.pod.workload.request.uses_gpu
            length = (end - start) / SECOND if applies else 0.0
            counts = there.get(key, 0), lost.get(key, 0)
            one = _Series(life, length, resolution, *counts, statuses.get(life.pod.id, set()))
            wanted[key] = bounds | one.wanted(told.get(key, {}))
    return row_differences(told, wanted, without=("pod_id", "metric"))


def _stretch(life: Life, floor: int, settled: int) -> tuple[int | None, int]:
    """Of which part of a life samples are wanted; None for none."""
    start, end = max(life.created, floor), min(life.until, settled)
    if life.started is None or start >= end:
        return None, end
    return (max(start, life.started) if life.started < end else start), end


@dataclass(frozen=True)
class _Series:
    """The samples of one metric of a pod: seconds wanted, samples that are there and lack, and how it was answered."""

    life: Life
    length: float
    resolution: int
    instants: int
    lost: int
    # Of the requests for any metrics of the pod; 0 where no answer was given.
    statuses: set[int]

    def wanted(self, told: Row) -> Row:
        """The row without its bounds; what may be one thing or another is as it is told, if that may be."""
        # There is one instant more than there are steps between them; and a sample at the end of a window that is not
        # full may count in the next one too.
        least, plain, most = (
            max(0.0, min(self.length, (self.instants + more) * self.resolution)) for more in (-1, 0, 2)
        )
        said = told.get("covered_seconds")
        covered = said if said is not None and least <= said <= most + _ROUNDING else plain
        is_true = bool(told) and self._allows(told["status"], told["reason"], covered)
        return {
            "wanted_seconds": self.length,
            "covered_seconds": covered,
            "coverage": covered / self.length if self.length else None,
            **{name: told[name] if is_true else "another" for name in ("status", "reason")},
        }

    def _allows(self, status: str, reason: str | None, covered: float) -> bool:
        """Whether the pod and its samples, and how its requests were answered, allow for a status with its reason."""
        is_short = not covered or covered + 2 * self.resolution < self.length or self.lost > 0
        has_failed = bool(self.statuses - {200, 207})
        words = reason or ""
        is_told = re.fullmatch(_REASONS.get(status, ""), words) is not None
        # Of what is still asked for, something else may have failed for good.
        is_told |= status == "pending" and has_failed and words != ""
        if not self.length:
            return is_told and status == "not_applicable"
        # A step at either end in which no instant of the grid lies is asked for too, and may fail or be left out.
        return is_told and {
            "ok": not is_short,
            "empty": not covered,
            "partial": is_short and covered > 0,
            "not_found": self.life.ended is not None and 404 in self.statuses,
            "failed": has_failed,
            "expired": has_failed,
            "pending": is_short or has_failed or words.startswith("not returned: "),
            # Likewise of a type that is off, which is not asked for.
            "disabled": is_short or self.life.ended is not None,
        }.get(status, False)


def _instants(here: Scene) -> dict[Key, int]:
    """At how many instants there are samples."""
    with duckdb.connect(str(here.data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        return {(pod_id, metric): count for pod_id, metric, count in con.execute(_INSTANTS).fetchall()}


def _statuses(here: Scene) -> dict[str, set[int]]:
    """By pod, how the requests for its metrics were answered; 0 is not at all."""
    found: dict[str, set[int]] = {}
    for seen in here.simulator.requests:
        if asked := _METRICS.fullmatch(seen.path):
            found.setdefault(asked[1], set()).add(seen.status)
    return found
