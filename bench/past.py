"""A past of metrics in a warehouse that knows its pods: what a run after every hour would have loaded.

python -m bench.past DATA_DIR SINCE UNTIL      the basic metrics of every pod while it ran, a sample a minute
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.metric_contestants import BASIC

if TYPE_CHECKING:
    import duckdb

_HOURS: Final = """
    create temp table hours as
    select
        hour_at,
        hour_at + interval '1 hour' as ended_at,
        hour_at + interval '1 hour 2 minutes' as observed_at,
        format('{:d}.25', cast(epoch(hour_at) as bigint)) as load_id
    from (select unnest(range(timestamptz '{since}', timestamptz '{until}', interval '1 hour')) as hour_at)
"""
_SERIES: Final = """
    create temp table series as
    select
        pods.pod_id,
        metric,
        unnest(if(metric like '%PER_GPU', range(greatest(1, ceil(coalesce(requested_gpu, 1)))::bigint), [null])) as gpu
    from published.pods
    cross join (select unnest({metrics}) as metric)
"""
_WINDOWS: Final = """
    create temp table windows as
    select
        pods.pod_id,
        pods.workload_id,
        greatest(hours.hour_at, pods.created_at) as window_from,
        least(hours.ended_at, pods.completed_at) as window_to,
        date_diff('minute', window_from, window_to) as expected_samples,
        pods.started_at,
        pods.completed_at as ended_at,
        hours.observed_at,
        row_number() over () as read_index,
        hours.load_id as _dlt_load_id
    from hours
    inner join published.pods
        on pods.created_at < hours.ended_at and coalesce(pods.completed_at, 'infinity') > hours.hour_at
"""
_LEDGER: Final = """
    insert into raw.metric_windows by name
    select
        windows.*,
        to_json({metrics}) as asked,
        to_json(map({metrics}, [expected_samples for _ in {metrics}])) as returned,
        60 as resolution_seconds,
        'ok' as status,
        200 as http_status,
        expected_samples * (select count(*) from series where series.pod_id = windows.pod_id) as samples,
        1 as attempt
    from windows
"""
_SAMPLES: Final = """
    insert into raw.pod_metrics by name
    select
        pod_id,
        metric,
        cast(gpu as varchar) as gpu,
        unnest(range(window_from, window_to, interval '1 minute')) as sampled_at,
        round(100 * random(), 2) as value,
        windows.observed_at,
        row_number() over () as read_index,
        windows._dlt_load_id
    from windows
    inner join series using (pod_id)
    where windows._dlt_load_id = '{load_id}'
"""
# What else a run leaves, as the one run did that read the pods.
_RUNS: Final = """
    insert into raw.runs
    select runs.* replace (
        hours.load_id as run_id,
        hours.ended_at as started_at,
        hours.observed_at as finished_at,
        hours.observed_at as as_of,
        hours.observed_at as open_set_read_at,
        timestamptz '{since}' as metrics_since,
        to_json({metrics}) as metric_types,
        hours.observed_at as observed_at,
        hours.load_id as _dlt_load_id
    )
    from raw.runs
    cross join hours
"""
_COUNTS: Final = """
    insert into raw.pod_counts
    select counts.* replace (
        hours.observed_at as counted_at,
        hours.observed_at as as_of,
        hours.observed_at as observed_at,
        hours.load_id as _dlt_load_id
    )
    from raw.pod_counts as counts
    cross join hours
"""
_LOADS: Final = """
    insert into raw._dlt_loads
    select loads.* replace (hours.load_id as load_id, hours.observed_at as inserted_at)
    from (from raw._dlt_loads limit 1) as loads
    cross join hours
"""


def write(con: duckdb.DuckDBPyConnection, since: str, until: str) -> None:
    """Append a load for each hour to the raw tables; what is published of the pods is attached as `published`."""
    words = {"since": since, "until": until, "metrics": list(BASIC)}
    con.execute("select setseed(0.5)")
    for statement in (_HOURS, _SERIES, _WINDOWS, _LEDGER):
        con.execute(_filled(statement, words))
    for (load_id,) in con.execute("select load_id from hours order by hour_at").fetchall():
        con.execute(_filled(_SAMPLES, {"load_id": load_id}))
    for statement in (_RUNS, _COUNTS, _LOADS):
        con.execute(_filled(statement, words))


def _filled(statement: str, words: Mapping[str, object]) -> str:
    for name, word in words.items():
        statement = statement.replace(f"{{{name}}}", str(word))
    return statement


def main(data: Path, since: str, until: str) -> None:
    """Write it, and say how many samples there are."""
    import duckdb

    with duckdb.connect(str(data / "warehouse.duckdb"), config={"threads": 1}) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach '{data / 'published' / 'runai.duckdb'}' as published (read_only)")
        write(con, since, until)
        [(samples,)] = con.execute("select count(*) from raw.pod_metrics").fetchall()
    print(json.dumps({"samples": samples}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
