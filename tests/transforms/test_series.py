"""Series hold every sample and bucket, within the memory that the build has, however many are suspect."""

from __future__ import annotations

import json
from pathlib import Path

from tests.transforms.raw_files import DuckDBFiles, at, pod, run
from tests.transforms.tables import refreshed, rows
from transforms import Build, Layout, series
from transforms.database import connect
from transforms.sql import count, literal


def test_a_million_suspects_fit_into_the_memory(tmp_path: Path) -> None:
    with connect(tmp_path / "build.duckdb", spill=tmp_path / "spill") as con:
        con.execute(
            """
            create temp table arrived as
            select
                cast(place % 400 as varchar) || '-aaaa-bbbb-cccc-dddddddddddd' as pod_id,
                'GPU_UTILIZATION_' || (place % 6) as metric,
                cast(place % 8 as varchar) as gpu,
                cast(null as varchar) as labels,
                timestamptz '2026-01-01' + (place // 2400) * interval 1 minute as sampled_at,
                place / 7 as value,
                cast(null as varchar) as value_text,
                timestamptz '2026-01-02' as observed_at,
                place as read_index,
                '1700000' || (place % 3) as _dlt_load_id
            from range(1_000_000) as rows (place)
            """
        )
        series._firsts(con, "firsts", "temp.arrived", key=series._KEY)
        assert count(con, "temp.firsts") == 500_400
        assert count(con, f"(select distinct {series._KEY} from temp.firsts)") == 500_400


def test_a_bucket_may_have_any_name(layout: Layout, files: DuckDBFiles) -> None:
    data = {'"': "1", "*": "2", "": "3", 'a"b.$[0]': "4.5", "\\": "NaN", "+Inf": "6", "p99": None}
    spread = {"pod_id": "pod-1", "metric": "LATENCY", "sampled_at": at(-5), "observed_at": at(2)}
    window = {"pod_id": "pod-1", "asked": '["LATENCY"]', "window_from": at(-9), "window_to": at(-1)}
    files.load(
        "1.5",
        pods=[pod()],
        pod_metric_histograms=[spread | {"data": json.dumps(data)}],
        metric_windows=[window | {"observed_at": at(2)}],
        runs=[run(4)],
    )
    with Build(layout) as build:
        refreshed(build, files.store)
        file = literal(layout.series / "pod_metric_histograms" / "*" / "*.parquet")
        found = rows(build, f"select bucket, value from read_parquet({file})")
    assert dict(found) == {name: float(text) if text not in (None, "NaN") else None for name, text in data.items()}
