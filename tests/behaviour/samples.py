"""Which samples `pod_metrics` must have, from the simulator's truth, and where the published ones differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from simulator.instants import SECOND, micros
from simulator.service.exchange import Seen
from simulator.world import metrics
from simulator.world.columns import Ints
from simulator.world.pods import Pod
from sources.runai.catalogue import BASIC
from sources.runai.reading.windows import SETTLE_LAG
from tests.behaviour.scene import Scene

SAMPLES = pa.schema(
    {
        "pod_id": pa.string(),
        "metric": pa.string(),
        "gpu": pa.int16(),
        "sampled_at": pa.timestamp("us", "UTC"),
        "value": pa.float64(),
    }
)
_COMPARED = """
with truth as (select pod_id, metric, coalesce(gpu, -1) as gpu, sampled_at, value from true_samples),

said as (
    select pod_id, metric, coalesce(gpu, -1) as gpu, sampled_at, any_value(value) as value,
        any_value(value_text) as value_text,
        -- Where a series got another label, an instant may have both.
        1 + count(*) - count(distinct coalesce(cast(labels as varchar), '')) as times
    from pod_metrics
    group by all
)

select
    pod_id,
    metric,
    gpu,
    case
        when said.times is null then 'lost'
        when truth.value is null then 'made up'
        when said.times > 1 then 'repeated'
        else 'wrong'
    end as what,
    count(*) as samples,
    min(sampled_at) as first_at,
    max(sampled_at) as last_at
from truth
full join said using (pod_id, metric, gpu, sampled_at)
where said.times is distinct from 1
    or truth.value is null
    or truth.value is distinct from said.value and said.value_text is null
group by all
order by all
"""


class Odd(NamedTuple):
    """Samples of one series that are `lost`, `made up`, `repeated` or `wrong`; GPU -1 stands for none."""

    pod_id: str
    metric: str
    gpu: int
    what: str
    samples: int
    first_at: datetime
    last_at: datetime

    def __str__(self) -> str:
        stretch = f"{self.first_at:%d %H:%M:%S} to {self.last_at:%d %H:%M:%S}"
        return f"{self.pod_id} {self.metric} {self.gpu}: {self.samples} {self.what}, {stretch}"


def sample_differences(
    here: Scene,
    since: datetime,
    until: datetime | None = None,
    *,
    types: Sequence[str] = BASIC,
    resolution: int = 60,
) -> list[str]:
    """Say how published samples differ from the truth, by pod, metric and GPU; an empty list is a perfect copy.

    The truth is every sample of the grid, from the step in which `since` lies until what had settled at `until`, of
    every pod that the control plane shows now.
    """
    truth = true_samples(here, since, until or here.clock.now(), types, resolution)
    return [str(odd) for odd in odd_samples(here, truth)]


def odd_samples(here: Scene, truth: pa.Table) -> list[Odd]:
    """Published samples that are not the true ones, by pod, metric and GPU."""
    with duckdb.connect(str(here.data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        con.register("true_samples", truth)
        return [Odd(*row) for row in con.execute(_COMPARED).fetchall()]


def true_samples(here: Scene, since: datetime, until: datetime, types: Sequence[str], resolution: int) -> pa.Table:
    """Every sample that the control plane has of the pods that it shows."""
    step = resolution * SECOND
    first, end = micros(since) // step * step, micros(until - SETTLE_LAG) // step * step
    parts = [SAMPLES.empty_table()]
    for pod in (shown.pod for shown in here.shown().values()):
        start = max(first, -(-pod.started // step) * step)
        at = np.arange(start, max(start, min(end, pod.stopped)), step, dtype=np.int64)
        parts += [_series(pod, metric, at) for metric in types if metrics.applies(pod, metric)]
    return pa.concat_tables(parts)


def _series(pod: Pod, metric: str, at: Ints) -> pa.Table:
    gauge = metrics.gauges()[metric]
    gpus = pod.gpus if gauge.is_per_gpu else (None,)
    columns = [
        [pod.id] * len(at) * len(gpus),
        [metric] * len(at) * len(gpus),
        [gpu for gpu in gpus for _ in at],
        at.astype("datetime64[us]").tolist() * len(gpus),
        [value for gpu in gpus for value in metrics.series(pod, metric, gpu, at).tolist()],
    ]
    return pa.table(columns, schema=SAMPLES)


def metric_requests(here: Scene) -> list[Seen]:
    """The requests for metrics since they were last forgotten."""
    return [seen for seen in here.simulator.requests if seen.path.endswith("/metrics")]


def series_of(here: Scene, data_dir: Path | None = None) -> dict[str, pa.Table]:
    """The published samples and hours, in one order."""
    with duckdb.connect(str((data_dir or here.data_dir) / "published" / "runai.duckdb"), read_only=True) as con:
        return {
            table: con.sql(f"from {table} order by all").to_arrow_table()
            for table in ("pod_metrics", "pod_metrics_hourly")
        }


def book(here: Scene, table: str) -> list[dict[str, Any]]:
    """Rows of a table of the build database."""
    with duckdb.connect(str(here.data_dir / "state" / "build.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        relation = con.table(table)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.order("all").fetchall()]
