"""Samples are compared within the memory that the build has, however many are suspect."""

from __future__ import annotations

from pathlib import Path

from transforms import series
from transforms.database import connect
from transforms.sql import count


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
