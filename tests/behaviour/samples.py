"""Which samples `pod_metrics` must have, from the simulator's truth, and where the published ones differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from simulator.instants import SECOND, micros, moment
from simulator.service.exchange import Seen
from simulator.world import metrics
from simulator.world.columns import Ints
from simulator.world.pods import Pod
from sources.runai.catalogue import BASIC
from sources.runai.reading.windows import SETTLE_LAG
from tests.behaviour.lives import lives
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
STARTS = pa.schema({"pod_id": pa.string(), "started_at": pa.timestamp("us", "UTC")})
HISTOGRAMS = SAMPLES.remove(2).append(pa.field("bucket", pa.string()))
# `table` is held against the registered truth; `part` tells apart the series of one metric.
_COMPARED = """
with truth as (select pod_id, metric, {part} as part, sampled_at, value from true_samples),

said as (
    select pod_id, metric, {part} as part, sampled_at, any_value(value) as value,
        any_value({value_text}) as value_text,
        -- Where a series got another label, an instant may have both.
        1 + count(*) - count(distinct coalesce(cast(labels as varchar), '')) as times
    from {table}
    group by all
)

select
    pod_id,
    metric,
    part,
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
full join said using (pod_id, metric, part, sampled_at)
where said.times is distinct from 1
    or truth.value is null
    or truth.value is distinct from said.value and said.value_text is null
group by all
order by all
"""
_TEXTS = """
select pod_id, metric, sampled_at, value, value_text
from pod_metrics
where value is null or value_text is not null
"""
_LABELS = """
with every as (
    select 'pod_metrics' as samples, cast(labels as varchar) as label, sampled_on as told_on, sampled_at as instant
    from pod_metrics
    union all
    select 'pod_metric_histograms', cast(labels as varchar), sampled_on, sampled_at from pod_metric_histograms
    union all
    select 'pod_metrics_hourly', null, sampled_on, hour_at from pod_metrics_hourly
)

select samples, label, told_on, count(*) from every
where label <> '{"device":"nvidia0"}' or told_on is distinct from cast(instant as date)
group by all
"""
# A percentile by its definition: the two values next to its place, each with the weight of its nearness.
_HOURS = """
with truth as (
    select pod_id, metric, coalesce(gpu, -1) as gpu, sampled_at, value, date_trunc('hour', sampled_at) as hour_at
    from true_samples
),

read as (
    select
        truth.*,
        row_number() over (hour order by truth.value) - 1 as place,
        count(*) over hour - 1 as last_place
    from truth
    inner join pod_metrics as said on truth.pod_id = said.pod_id
        and truth.metric = said.metric
        and truth.gpu = coalesce(said.gpu, -1)
        and truth.sampled_at = said.sampled_at
        and said.value is not null
    window hour as (partition by truth.pod_id, truth.metric, truth.gpu, truth.hour_at)
),

wanted as (
    select pod_id, metric, gpu, hour_at,
        count(*) as samples,
        count(distinct sampled_at) as instants,
        min(value) as value_min,
        avg(value) as value_avg,
        sum(value * greatest(0, 1 - abs(place - 0.5 * last_place))) as value_p50,
        sum(value * greatest(0, 1 - abs(place - 0.95 * last_place))) as value_p95,
        max(value) as value_max
    from read
    group by all
),

told as (select * replace (coalesce(gpu, -1) as gpu) from pod_metrics_hourly where samples > 0),

-- Of a stretch that was not asked for, none are expected; nor before the start, which of a pod that was started again
-- is its last.
steps as (
    select pod_id, metric, gpu, hour_at,
        count(*) as steps,
        case
            when bool_and(coalesce(status = 'ok', false))
            then greatest(0, count(*) filter (sampled_at >= started_at) - 1)
            else 0
        end as steps_asked
    from truth
    left join pod_metric_coverage using (pod_id, metric)
    left join starts using (pod_id)
    group by all
),

compared as (
    select pod_id, metric, gpu, hour_at, steps.steps, greatest(steps_asked, wanted.instants) as least_steps,
        case
            when wanted.samples is null then 'made up'
            when told.samples is null then 'lost'
            when told.samples <> wanted.samples then 'samples'
            when told.expected_samples not between least_steps and steps.steps then 'expected_samples'
            when not told.coverage = wanted.instants / told.expected_samples then 'coverage'
            when told.value_min <> wanted.value_min then 'value_min'
            when told.value_max <> wanted.value_max then 'value_max'
            when abs(told.value_avg - wanted.value_avg) > 1e-9 * abs(wanted.value_avg) + 1e-9 then 'value_avg'
            when abs(told.value_p50 - wanted.value_p50) > 1e-9 * abs(wanted.value_p50) + 1e-9 then 'value_p50'
            when abs(told.value_p95 - wanted.value_p95) > 1e-9 * abs(wanted.value_p95) + 1e-9 then 'value_p95'
        end as what,
        to_json(told) as told,
        to_json(wanted) as wanted
    from wanted
    full join told using (pod_id, metric, gpu, hour_at)
    left join steps using (pod_id, metric, gpu, hour_at)
)

select * from compared
where what is not null
order by all
"""


class Odd(NamedTuple):
    """Samples of one series that are `lost`, `made up`, `repeated` or `wrong`.

    The part is the index of a GPU, -1 for none, or the bucket of a histogram.
    """

    pod_id: str
    metric: str
    part: int | str
    what: str
    samples: int
    first_at: datetime
    last_at: datetime

    def __str__(self) -> str:
        stretch = f"{self.first_at:%d %H:%M:%S} to {self.last_at:%d %H:%M:%S}"
        return f"{self.pod_id} {self.metric} {self.part}: {self.samples} {self.what}, {stretch}"


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
    query = _COMPARED.format(table="pod_metrics", part="coalesce(gpu, -1)", value_text="value_text")
    return [Odd(*row) for row in _held_against(here, truth, query)]


def odd_histograms(here: Scene, truth: pa.Table) -> list[Odd]:
    """Published buckets and percentiles that are not the true ones, by pod, metric and bucket."""
    query = _COMPARED.format(table="pod_metric_histograms", part="bucket", value_text="cast(null as varchar)")
    return [Odd(*row) for row in _held_against(here, truth, query)]


def label_differences(here: Scene, nan_share: float) -> list[str]:
    """Say which samples have a text in place of a number that was one, neither, or labels or a day not theirs.

    Of all samples no more than the share came as NaN.
    """
    said = [" ".join(map(str, row)) for row in _held_against(here, SAMPLES.empty_table(), _LABELS)]
    for pod_id, metric, at, value, text in _held_against(here, SAMPLES.empty_table(), _TEXTS):
        pod = here.world.find(pod_id)
        is_nan = pod is not None and metrics.noise(pod.salt, np.array([micros(at)], dtype=np.int64))[0] < nan_share
        if (value, text) != (None, "NaN") or not is_nan:
            said.append(f"{pod_id} {metric} at {at}: {value}, {text}")
    return said


def hour_differences(here: Scene, truth: pa.Table) -> list[str]:
    """Say where hours are not what the true samples come to, of those that are published as numbers."""
    started = [(life.pod.id, moment(life.started)) for life in lives(here) if life.started is not None]
    starts = pa.Table.from_pylist([dict(zip(STARTS.names, one, strict=True)) for one in started], STARTS)
    return [" ".join(map(str, row)) for row in _held_against(here, truth, _HOURS, starts=starts)]


def _held_against(here: Scene, truth: pa.Table, query: str, **tables: pa.Table) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(here.data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        for name, table in {"true_samples": truth, **tables}.items():
            con.register(name, table)
        return con.execute(query).fetchall()


def true_samples(here: Scene, since: datetime, until: datetime, types: Sequence[str], resolution: int) -> pa.Table:
    """Every sample that the control plane has of the pods that it shows."""
    parts = [SAMPLES.empty_table()]
    for pod, at in _grids(here, since, until, resolution):
        parts += [_series(pod, metric, at) for metric in types if metrics.applies(pod, metric)]
    return pa.concat_tables(parts)


def true_histograms(here: Scene, since: datetime, until: datetime, types: Sequence[str], resolution: int) -> pa.Table:
    """Every bucket and percentile that the control plane has of the pods that it shows."""
    rows = [
        (pod.id, metric, moment(at), float(value), bucket)
        for pod, instants in _grids(here, since, until, resolution)
        for metric in types
        if metrics.applies(pod, metric)
        for at in instants.tolist()
        for bucket, value in metrics.distribution(pod, metric, at).items()
    ]
    return pa.Table.from_pylist([dict(zip(HISTOGRAMS.names, row, strict=True)) for row in rows], schema=HISTOGRAMS)


def _grids(here: Scene, since: datetime, until: datetime, resolution: int) -> Iterator[tuple[Pod, Ints]]:
    """Every pod that the control plane shows, and the instants of the grid at which it ran."""
    step = resolution * SECOND
    first, end = micros(since) // step * step, micros(until - SETTLE_LAG) // step * step
    for pod in (shown.pod for shown in here.shown().values()):
        start = max(first, -(-pod.started // step) * step)
        yield pod, np.arange(start, max(start, min(end, pod.stopped)), step, dtype=np.int64)


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
