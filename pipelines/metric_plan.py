"""Which metrics a run asks for: what is wanted of each pod's life, less what the ledger says is final.

Wanted is the pod's life from the metric floor on. Of it, one stretch without a gap was asked for before; what lies
after it is asked for forwards, and what lies before it, where the floor moved back, from its newest end backwards, so
that a run which stops anywhere leaves one stretch again. Inside it, windows that are not final are asked for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import duckdb

from sources.runai.catalogue import CATALOGUE
from sources.runai.reading.windows import SETTLE_LAG, MetricTarget, windows_of
from transforms.series import ENOUGH_ATTEMPTS
from transforms.sql import count, literal

METRIC_HORIZON: Final = timedelta(hours=24)
"""How far back a first run reads unless it is told otherwise."""
ASK_OFF_AGAIN: Final = timedelta(hours=24)
"""Types that a control plane does not give are asked for again after this."""
_AT_ONCE: Final = 1_000
GIVE_UP: Final = timedelta(days=15)
"""Windows that failed are asked for again until they are this old: the API has forgotten the pod by then."""


@dataclass(frozen=True)
class Size:
    """What a plan comes to."""

    pods: int
    requests: int
    samples: int


class MetricPlan:
    """What is to be asked, as a function of the pods and the ledger in the build database; nothing is kept of it."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        types: Sequence[str],
        *,
        floor: datetime,
        as_of: datetime,
        now: datetime,
        resolution: int,
    ) -> None:
        """Plan for some metric types.

        Args:
            con: the build database, with every committed load taken in.
            types: metric types of the catalogue.
            floor: where metrics begin to be wanted.
            as_of: where windows end, less the settle lag.
            now: the present; windows are asked for again by it.
            resolution: seconds between samples.
        """
        self._con = con
        self._types = types
        self._floor, self._as_of, self._now = floor, as_of, now
        self._resolution = resolution

    def size(self) -> Size:
        """Count what the plan comes to."""
        pods: Counter[str] = Counter()
        requests = samples = 0
        for target in self.targets():
            for window in windows_of(target, self._types, self._as_of, self._resolution):
                pods[target.pod_id] += 1
                requests += 1
                samples += window.samples * len(window.types)
        return Size(len(pods), requests, samples)

    def targets(self) -> Iterator[MetricTarget]:
        """Yield what to ask, pod by pod."""
        self._con.execute(f"create or replace temp table planned as {self._query()}")
        for start in range(0, count(self._con, "temp.planned"), _AT_ONCE):
            page = f"from temp.planned where rowid between {start} and {start + _AT_ONCE - 1} order by rowid"
            for pod, workload, since, until, metrics, *rest in self._con.execute(page).fetchall():
                yield MetricTarget(pod, workload, since, until, tuple(metrics), *rest)

    def _query(self) -> str:
        settled = self._as_of - SETTLE_LAG
        types = ", ".join(
            f"({literal(name)}, {str(CATALOGUE[name].needs_gpu).lower()}, {place})"
            for place, name in enumerate(self._types)
        )
        return f"""
        with wanted_types as (
            select * from (values {types}) as listed (metric, needs_gpu, place)
            where metric not in (
                select metric from build.main.metrics_off where asked_at > {_instant(self._now - ASK_OFF_AGAIN)}
            )
        ),

        lives as (
            select
                pod_id,
                workload_id,
                phase,
                greatest(created_at, {_instant(self._floor)}) as wanted_from,
                not (is_open and is_reachable) as is_over,
                coalesce(completed_at, deleted_at, if(is_open and is_reachable, null, last_observed_at)) as ended_at
            from build.main.known_pods
            where workload_id is not null and created_at < {_instant(settled)}
        ),

        pods as (
            select *, least(coalesce(ended_at, {_instant(settled)}), {_instant(settled)}) as wanted_to
            from lives
            where wanted_from < wanted_to
        ),

        stretches as (
            select
                pods.*,
                wanted_types.*,
                spans.asked_from,
                spans.asked_to
            from pods
            cross join wanted_types
            left join build.main.metric_spans as spans
                on pods.pod_id = spans.pod_id and wanted_types.metric = spans.metric
            where spans.asked_to is null
                or spans.asked_to + to_seconds(if(pods.is_over, 0, {self._resolution} - 1)) < pods.wanted_to
                or spans.asked_from > pods.wanted_from
        ),

        needs as (
            select
                pod_id, workload_id, metric, needs_gpu, place, phase, is_over, ended_at,
                wanted_from as since,
                if(asked_from is null, if(is_over, ended_at, null), asked_from) as until,
                {self._resolution} as resolution,
                1 as attempt,
                asked_from is not null as newest_first
            from stretches
            where asked_from is null or asked_from > wanted_from
            union all
            select
                pod_id, workload_id, metric, needs_gpu, place, phase, is_over, ended_at,
                asked_to as since,
                if(is_over, ended_at, null) as until,
                {self._resolution} as resolution,
                1 as attempt,
                false as newest_first
            from stretches
            where asked_to + to_seconds(if(is_over, 0, {self._resolution} - 1)) < wanted_to
            union all
            select
                pods.pod_id, pods.workload_id, metric, needs_gpu, place, phase, is_over, ended_at,
                gaps.window_from as since,
                gaps.window_to as until,
                gaps.resolution_seconds as resolution,
                gaps.attempts + 1 as attempt,
                false as newest_first
            from build.main.metric_gaps as gaps
            inner join wanted_types using (metric)
            inner join pods using (pod_id)
            where gaps.window_to > {_instant(self._now - GIVE_UP)}
                -- Asked for in part, it would count as had.
                and gaps.window_to <= {_instant(settled)}
                and {_instant(self._now)} >= case gaps.status
                when 'failed' then gaps.asked_at
                when 'not_found' then gaps.asked_at
                else case
                    when gaps.asked_at < gaps.window_to + interval '1 hour' then gaps.window_to + interval '1 hour'
                    when gaps.asked_at < gaps.window_to + interval '24 hours' then gaps.window_to + interval '24 hours'
                    when gaps.attempts < {ENOUGH_ATTEMPTS} then gaps.asked_at + interval '1 hour'
                end
            end
        ),

        facts as (
            select
                id as pod_id,
                min(list_min(list_transform(
                    json_extract_string(containers, '$[*].startedAt'),
                    lambda text: instant_from_text(text)
                ))) as started_at,
                bool_or(coalesce(requested_resources, allocated_resources) is null or {_HAS_GPU}) as has_gpu
            from build.main.raw_pods
            where id in (select pod_id from needs)
            group by id
        )

        select
            pod_id,
            workload_id,
            since,
            until,
            list(metric order by place) as metrics,
            resolution,
            started_at,
            ended_at,
            attempt,
            newest_first
        from needs
        inner join facts using (pod_id)
        where (has_gpu or not needs_gpu)
            and (started_at is not null or phase is distinct from 'Pending')
            -- What is over and was not found stays so.
            and not (is_over and exists (
                from build.main.metric_gaps as gone where gone.pod_id = needs.pod_id and gone.status = 'not_found'
            ))
        group by all
        order by pod_id, newest_first, since
        """


def metric_floor(con: duckdb.DuckDBPyConnection, since: datetime | None, as_of: datetime) -> datetime:
    """Return where metrics begin to be wanted; it only moves back, whatever later runs ask for."""
    row = con.execute("select min(metrics_since) from build.main.raw_runs where outcome = 'loaded'").fetchone()
    known = row[0] if row else None
    return min(filter(None, (since, known)), default=as_of - METRIC_HORIZON)


def _instant(instant: datetime) -> str:
    return f"cast({literal(instant.isoformat())} as timestamptz)"


_HAS_GPU: Final = " or ".join(
    f"coalesce(regexp_matches(json_extract_string({column}, '$.{path}'), '[1-9]'), false)"
    for column, paths in (
        ("requested_resources", ("gpu.request", "gpuMemory.request", "migProfile")),
        ("allocated_resources", ("gpu", "gpuMemory", "migProfile")),
    )
    for path in paths
)
