from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from sources.runai.schemas import TABLES
from tests.transforms.raw_files import Bucket, DuckDBFiles, ParquetFiles, RawFiles, arrow, at, pod, run
from tests.transforms.tables import column, marts, refreshed, rows
from transforms import Build, DuckDBRaw, Layout, ParquetRaw, series
from transforms.build import raw_tables


def test_a_store_that_does_not_exist_has_no_loads(build: Build, either: RawFiles) -> None:
    assert either.store.committed_loads() == []
    assert build.take_in(either.store).loads == []


def test_a_store_without_ledger_has_no_loads(either: RawFiles) -> None:
    either.write("pods", "1.5", arrow("pods", "1.5", [pod()]))

    assert either.store.committed_loads() == []


def test_only_committed_loads_count(build: Build, either: RawFiles) -> None:
    either.load("1.5", pods=[pod("a")])
    either.load("2.5", committed=False, pods=[pod("a", 5, name="never"), pod("b", 5)])
    either.load("10.5", pods=[pod("c")])

    assert either.store.committed_loads() == ["1.5", "10.5"]
    assert build.take_in(either.store).loads == ["1.5", "10.5"]
    assert column(build, "select id from raw_pods order by all") == ["a", "c"]


def test_a_load_whose_id_begins_another_is_not_mistaken(build: Build, either: RawFiles) -> None:
    either.load("1.5", pods=[pod("a")])
    either.load("1.55", committed=False, pods=[pod("b")])
    build.take_in(either.store)

    assert column(build, "select id from raw_pods") == ["a"]


def test_a_file_loaded_twice_within_a_load_counts_once(build: Build, either: RawFiles) -> None:
    either.load("1.5", copies=2, pods=[pod("a"), pod("a", 1)], runs=[run()])
    taken = build.take_in(either.store)

    assert (taken.rows["raw_pods"], taken.rows["raw_runs"]) == (2, 1)
    assert column(build, "select count(*) from raw_pods") == [2]


def test_equal_places_in_different_loads_are_different_rows(build: Build, either: RawFiles) -> None:
    either.load("1.5", pods=[pod("a")])
    build.take_in(either.store)
    either.load("2.5", pods=[pod("a", 1)])
    build.take_in(either.store)

    assert rows(build, "select _dlt_load_id, read_index from raw_pods order by all") == [("1.5", 0), ("2.5", 0)]


def test_a_column_that_raw_lacks_is_null_and_an_unknown_one_is_left(build: Build, either: RawFiles) -> None:
    old = arrow("pods", "1.5", [pod("old")]).drop_columns(["node_affinity", "updated_at"])
    either.write("pods", "1.5", old.append_column("of_tomorrow", pa.array(["x"])))
    either.load("1.5")
    build.take_in(either.store)

    assert rows(build, "select id, node_affinity, updated_at from raw_pods") == [("old", None, None)]


def test_both_destinations_publish_the_same(tmp_path: Path) -> None:
    tables = []
    kinds: list[type[RawFiles]] = [DuckDBFiles, ParquetFiles]
    for kind in kinds:
        layout = Layout(tmp_path / kind.__name__)
        layout.data_dir.mkdir()
        files = kind(layout.data_dir)
        for number in range(3):
            versions = [pod(f"pod-{i}", number, node_name=f"node-{number}") for i in range(number, 5)]
            files.load(f"{number}.5", copies=1 + number % 2, pods=versions, runs=[run(number)])
            files.load(f"{number}.7", committed=False, pods=[pod("dead", number)])
        with Build(layout) as build:
            tables.append(marts(refreshed(build, files.store)))

    assert len(tables[0]["pods"]) == 5
    assert tables[0] == tables[1]


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    """Two loads that count, and one that does not."""
    local = ParquetFiles(tmp_path / "elsewhere")
    local.load("1.5", pods=[pod("a"), pod("b")])
    local.load("2.5", committed=False, pods=[pod("c")])
    local.load("3.5", pods=[pod("d")])
    return Bucket(local.path)


def test_parquet_is_read_from_a_remote_file_system(build: Build, layout: Layout, bucket: Bucket) -> None:
    refreshed(build, ParquetRaw(bucket, "/bucket/raw", layout.spill))

    assert column(build, "select pod_id from marts.pods order by all") == ["a", "b", "d"]


def test_what_a_killed_process_had_fetched_is_cleared_away(layout: Layout, bucket: Bucket) -> None:
    raw = ParquetRaw(bucket, "/bucket/raw", layout.spill)
    with duckdb.connect() as con:
        raw.rows(con, "pods", raw.committed_loads())

    assert len(bucket.copies) == 2
    assert all(copy.exists() and copy.is_relative_to(layout.spill) for copy in bucket.copies)
    with Build(layout):
        assert not layout.spill.exists()
    raw.remove_fetched()


def test_no_more_is_fetched_at_once_than_one_table(build: Build, layout: Layout, bucket: Bucket) -> None:
    build.take_in(ParquetRaw(bucket, "/bucket/raw", layout.spill))

    together = {table.removeprefix("raw_") for table in series.TABLES}
    assert {table for tables in bucket.tables_at_once() for table in tables} == TABLES.keys()
    assert [tables for tables in bucket.tables_at_once() if len(tables) > 1 and not tables <= together] == []
    assert not any(copy.exists() for copy in bucket.copies)


def test_dlt_may_write_to_the_warehouse_once_it_was_taken_in(build: Build, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod()])
    build.take_in(files.store)

    assert column(build, "select database_name from duckdb_databases() where path like '%warehouse%'") == []


def test_a_failed_take_in_leaves_the_build_as_it_was(build: Build, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")])
    build.take_in(files.store)
    broken = pa.table({"id": ["b"], "created_at": ["not a time"], "read_index": [0], "_dlt_load_id": ["2.5"]})
    with duckdb.connect(files.path) as con:
        con.register("broken", broken)
        con.execute("create or replace table raw.pods as from broken")
        con.execute("insert into raw._dlt_loads values ('runai', '2.5', 0)")
    with pytest.raises(duckdb.ConversionException, match="not a time"):
        build.take_in(files.store)

    assert column(build, "select id from raw_pods") == ["a"]
    assert column(build, "select load_id from taken_in") == ["1.5"]


def test_the_models_know_the_raw_tables_as_the_source_writes_them(build: Build) -> None:
    for table in raw_tables():
        schema = TABLES[table.removeprefix("raw_")].append(pa.field("_dlt_load_id", pa.string()))
        written = duckdb.from_arrow(schema.empty_table())
        known = build.connection.table(table)

        assert known.columns == written.columns
        assert [str(type_) for type_ in known.types] == [str(type_) for type_ in written.types]


def test_rows_keep_their_instants(build: Build, either: RawFiles) -> None:
    either.load("1.5", pods=[pod("a", created_at=at(0) + timedelta(microseconds=123456))])
    build.take_in(either.store)

    assert column(build, "select epoch_us(created_at) % 1000000 from raw_pods") == [123456]


def test_a_warehouse_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_text("this is not a database, but long enough to look like one" * 100)

    with pytest.raises(duckdb.IOException):
        DuckDBRaw(path).committed_loads()
