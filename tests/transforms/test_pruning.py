"""Raw gets smaller and says the same: whatever is removed was dead, double, or is held by something else."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.runai.schemas import TABLES
from tests.transforms.raw_files import Bucket, DuckDBFiles, ParquetFiles, RawFiles, Row, absence, arrow, at, pod, run
from tests.transforms.tables import column, marts, refreshed
from transforms import Build, Layout, ParquetRaw, Pruned, PruneRefused, prune_raw
from transforms.pruning import content, parquet_files


def sample(minute: int, observed: float = 30, value: float = 1.0, pod_id: str = "pod-1") -> Row:
    return {"pod_id": pod_id, "metric": "LOAD", "sampled_at": at(minute), "value": value, "observed_at": at(observed)}


def window(samples: int, observed: float = 30, pod_id: str = "pod-1") -> Row:
    span = {"window_from": at(-60), "window_to": at(0), "resolution_seconds": 60, "expected_samples": 60}
    came = {"asked": '["LOAD"]', "returned": f'{{"LOAD": {samples}}}', "status": "short", "samples": samples}
    return {"pod_id": pod_id, "attempt": 1, "observed_at": at(observed), **span, **came}


def world(files: RawFiles) -> None:
    """Four loads that count, one with a file that was loaded twice, a window that was read again, and a dead one."""
    first = [sample(minute, 1) for minute in range(-50, -20)]
    again = [sample(minute, 2) for minute in range(-60, -10)]
    files.load("1.5", pods=[pod("pod-1", content_hash="1"), pod("pod-2")], runs=[run(0)])
    files.load(
        "2.5", copies=2, pods=[pod("pod-2", 1, node_name="n")], pod_metrics=first, metric_windows=[window(30, 1)]
    )
    files.load("3.5", pod_metrics=again, metric_windows=[window(50, 2)], pod_absences=[absence("pod-1", 2)])
    files.load("4.5", runs=[run(3)])
    files.load(
        "5.5",
        committed=False,
        pods=[pod("pod-1", 9, content_hash="1")],
        pod_counts=[],
        runs=[run(9)],
        pod_metrics=first,
    )


def published_of(files: RawFiles, folder: Path) -> tuple[dict[str, list[tuple[object, ...]]], list[tuple[object, ...]]]:
    """What is published of raw by a machine that knows nothing else: the marts, and the samples."""
    with Build(Layout(folder)) as build:
        tables = marts(refreshed(build, files.store))
        samples = sorted((folder / "state" / "series" / "pod_metrics").rglob("*.parquet"))
        return tables, duckdb.read_parquet([str(path) for path in samples]).order("all").fetchall()


def counting(files: RawFiles, loads: list[str] | None = None) -> dict[str, list[tuple[object, ...]]]:
    """What counts of the raw tables, as staging sees it: each row of a load once, each sample as it was read first."""
    said = {}
    with duckdb.connect() as con:
        for table in TABLES:
            rows = files.store.rows(con, table, files.store.committed_loads() if loads is None else loads)
            if rows is None:
                continue
            thing = (
                "pod_id, metric, sampled_at, value, value_text"
                if table == "pod_metrics"
                else "_dlt_load_id, read_index"
            )
            said[table] = rows.query(
                "raw", f"select distinct on ({thing}) * from raw order by {thing}, observed_at, _dlt_load_id"
            ).fetchall()
        files.store.release(con)
    return said


def looked_at(files: RawFiles) -> dict[Path, os.stat_result]:
    assert isinstance(files, DuckDBFiles | ParquetFiles)
    place = files.path
    return {path: path.stat() for path in [place, *place.rglob("*")] if path.is_file()}


def size_of(files: RawFiles) -> int:
    return sum(found.st_size for found in looked_at(files).values())


def test_what_is_published_stays_the_same(either: RawFiles, tmp_path: Path) -> None:
    world(either)
    before = published_of(either, tmp_path / "before")
    pruned = prune_raw(either.store, tmp_path / "scratch")
    assert published_of(either, tmp_path / "after") == before
    # 32 rows of the second load came twice, and 30 samples of the third were there already.
    assert (pruned.repeats, pruned.last_copies) == (62, 0)
    assert pruned.dead == 32


def test_a_second_call_finds_nothing(either: RawFiles, tmp_path: Path) -> None:
    world(either)
    prune_raw(either.store, tmp_path / "scratch")
    before = looked_at(either)
    assert prune_raw(either.store, tmp_path / "scratch") == Pruned()
    after = looked_at(either)
    # Not even written again.
    assert [path for path in before | after if before[path].st_ino != after[path].st_ino] == []


def test_a_dry_run_says_what_would_be_removed_and_removes_nothing(either: RawFiles, tmp_path: Path) -> None:
    world(either)
    size = size_of(either)
    told = prune_raw(either.store, tmp_path / "scratch", dry_run=True)
    assert size_of(either) == size
    assert prune_raw(either.store, tmp_path / "scratch") == told


def test_bytes_that_are_said_to_be_freed_are(either: RawFiles, tmp_path: Path) -> None:
    for number in range(8):
        either.load(f"{number}.5", pods=[pod(f"pod-{number}", number)], runs=[run(number)])
    size = size_of(either)
    freed = prune_raw(either.store, tmp_path / "scratch").freed
    assert size - size_of(either) == freed
    assert not any((tmp_path / "scratch").glob("*"))


def test_the_last_copy_of_a_dead_load_is_kept(either: RawFiles, tmp_path: Path) -> None:
    either.load("1.5", pods=[pod("pod-1")], runs=[run()])
    either.load(
        "2.5",
        committed=False,
        pods=[pod("gone", 1, content_hash="1")],
        rejects=[],
        pod_metrics=[sample(-5, pod_id="gone")],
    )
    pruned = prune_raw(either.store, tmp_path / "scratch")
    assert (pruned.last_copies, pruned.dead) == (2, 0)
    again = prune_raw(either.store, tmp_path / "scratch")
    assert (again.last_copies, again.freed) == (2, 0)
    either.load("3.5", pods=[pod("gone", 3, content_hash="1")], pod_metrics=[sample(-5, 40, pod_id="gone")])
    assert prune_raw(either.store, tmp_path / "scratch").dead == 2


def test_a_sample_with_another_value_is_no_repeat(either: RawFiles, tmp_path: Path) -> None:
    either.load("1.5", pods=[pod()], pod_metrics=[sample(-5)], metric_windows=[window(1)], runs=[run()])
    either.load("2.5", pod_metrics=[sample(-5, 40, value=2.0)], metric_windows=[window(1, 40)])
    assert prune_raw(either.store, tmp_path / "scratch").repeats == 0


def test_a_copy_that_lacks_a_row_replaces_nothing(
    either: RawFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world(either)
    before = counting(either)
    copy = content.Content.copy

    def short(self: content.Content, con: duckdb.DuckDBPyConnection, rows: str, target: str) -> None:
        copy(self, con, f"from ({rows}) where not (observed_at = '{at(2)}' and read_index = 0)", target)

    with monkeypatch.context() as patch:
        patch.setattr(content.Content, "copy", short)
        with pytest.raises(PruneRefused, match="the copy holds"):
            prune_raw(either.store, tmp_path / "scratch")
    assert counting(either) == before


def test_rows_are_compared_some_at_a_time(either: RawFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world(either)
    monkeypatch.setattr(content, "_ROWS_AT_ONCE", 7)
    before = counting(either)
    assert prune_raw(either.store, tmp_path / "scratch").repeats == 62
    assert counting(either) == before


def test_a_machine_that_knew_a_part_takes_in_the_rest(either: RawFiles, tmp_path: Path) -> None:
    either.load("1.5", pods=[pod("pod-1")], runs=[run(0)])
    with Build(Layout(tmp_path / "part")) as build:
        refreshed(build, either.store)
        either.load("2.5", pods=[pod("pod-2")], runs=[run(1)])
        prune_raw(either.store, tmp_path / "scratch")
        either.load("3.5", pods=[pod("pod-3")], runs=[run(2)])
        taken = build.take_in(either.store)
        assert (taken.loads, taken.started_over) == (["2.5", "3.5"], False)
        assert column(build, "select id from raw_pods order by all") == ["pod-1", "pod-2", "pod-3"]
    assert counting(either, taken.loads)["pods"] == [row for row in counting(either)["pods"] if row[0] != "pod-1"]


@pytest.fixture
def files(layout: Layout) -> ParquetFiles:
    return ParquetFiles(layout.data_dir)


def names(files: ParquetFiles, table: str = "pods") -> list[str]:
    return sorted(path.name for path in (files.path / table).iterdir())


def test_small_files_become_one(files: ParquetFiles, tmp_path: Path) -> None:
    world(files)
    prune_raw(files.store, tmp_path / "scratch")
    assert names(files) == ["4.5.1.5-merged.parquet"]
    files.load("6.5", pods=[pod("pod-6")])
    prune_raw(files.store, tmp_path / "scratch")
    assert names(files) == ["6.5.1.5-merged.parquet"]


def once(files: ParquetFiles) -> bool:
    """Whether the reader meets no row twice, wherever there is a merged file."""
    with duckdb.connect() as con:
        merged = [table for table in TABLES if any("-merged" in name for name in names(files, table))]
        found = [files.store.rows(con, table, files.store.committed_loads()) for table in merged]
        return all(rows is not None and len(rows) == len(rows.distinct()) for rows in found)


@pytest.mark.parametrize("kept", [1, 3])
def test_killed_while_sources_are_removed_nothing_counts_twice(
    files: ParquetFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """The kill comes after the merged file has its name and before `kept` of the files that went into it are gone."""
    world(files)
    before = counting(files)
    remove = parquet_files._Table._remove

    def killed(self: parquet_files._Table, paths: list[str]) -> None:
        if len(paths) > 1:
            remove(self, paths[: max(0, len(paths) - kept)])
            raise SystemExit
        remove(self, paths)

    for _ in range(9):
        with monkeypatch.context() as patch, contextlib.suppress(SystemExit):
            patch.setattr(parquet_files._Table, "_remove", killed)
            prune_raw(files.store, tmp_path / "scratch")
        assert counting(files) == before
        assert once(files)
    prune_raw(files.store, tmp_path / "scratch")
    assert all(len(names(files, table)) == 1 for table in TABLES)
    assert counting(files) == before


def test_a_load_that_was_committed_late_is_not_passed_over(files: ParquetFiles, tmp_path: Path) -> None:
    files.load("1.5", pods=[pod("pod-1")], runs=[run(0)])
    files.load("3.5", pods=[pod("pod-3")], runs=[run(2)])
    prune_raw(files.store, tmp_path / "scratch")
    for late in ("2.5", "2.7"):
        files.load(late, pods=[pod(f"pod-{late}")], runs=[run(1)])
    before = counting(files)
    assert len(before["pods"]) == 4
    prune_raw(files.store, tmp_path / "scratch")
    assert counting(files) == before
    assert names(files) == ["3.5.1.5-merged.parquet"]


def test_a_merged_file_within_a_wide_one_is_not_passed_over(
    files: ParquetFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 9):
        files.load(f"{number}.5", pods=[pod(f"pod-{number}")], runs=[run(number)])
    prune_raw(files.store, tmp_path / "scratch")
    (wide,) = (files.path / "pods").iterdir()
    for late in (4, 5):
        files.load(f"{late}.5", pods=[pod(f"pod-{late}")], runs=[run(late)])
    # The wide file is a large one by now.
    size = max(path.stat().st_size for path in (files.path / "pods").iterdir())
    pq.write_table(pq.read_table(wide).combine_chunks(), wide, compression="none", write_statistics=True)
    monkeypatch.setattr(parquet_files, "SMALL", max(size, wide.stat().st_size))
    before = counting(files)
    prune_raw(files.store, tmp_path / "scratch")
    assert counting(files) == before


def test_files_of_a_load_with_a_large_one_stay_together(
    files: ParquetFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.load("1.5", pods=[pod("pod-1")], runs=[run(0)])
    files.load("2.5", pods=[pod("pod-2")])
    many = pa.concat_tables([arrow("pods", "2.5", [pod(f"pod-{n}") | {"read_index": n} for n in range(9, 900)])])
    files.write("pods", "2.5", many)
    files.load("3.5", pods=[pod("pod-3")])
    files.load("4.5", pods=[pod("pod-4")])
    monkeypatch.setattr(parquet_files, "SMALL", max(p.stat().st_size for p in (files.path / "pods").iterdir()))
    before = counting(files)
    assert len(before["pods"]) == 895
    prune_raw(files.store, tmp_path / "scratch")
    assert [name for name in names(files) if name.startswith("2.5")] == [n for n in names(files) if "2.5" in n]
    assert counting(files) == before


def test_a_bucket_is_pruned_too_and_others_loads_are_left_alone(
    files: ParquetFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world(files)
    before = counting(files)
    bucket = Bucket(files.path)
    files.store = ParquetRaw(bucket, "/bucket/raw", tmp_path / "scratch")
    monkeypatch.setattr(time, "time", lambda: 10.0)
    assert prune_raw(files.store, tmp_path / "scratch").dead == 0
    assert counting(files) == before
    monkeypatch.setattr(time, "time", lambda: 10.0 + parquet_files.GRACE_SECONDS)
    assert prune_raw(files.store, tmp_path / "scratch").dead == 32
    assert counting(files) == before
    assert len(bucket.ls("/bucket/raw/pods")) == 1


def test_of_a_bucket_one_table_is_fetched_at_once_and_no_file_twice(files: ParquetFiles, tmp_path: Path) -> None:
    world(files)
    files.load("6.5", committed=False, pods=[pod("pod-1", 9, content_hash="1")], runs=[run(9)])
    bucket = Bucket(files.path)
    assert prune_raw(ParquetRaw(bucket, "/bucket/raw", tmp_path / "scratch"), tmp_path / "scratch").dead == 34
    assert {len(tables) for tables in bucket.tables_at_once()} == {1}
    assert [paths for paths in bucket.at_once if len(set(paths)) < len(paths)] == []
    assert not any(copy.exists() for copy in bucket.copies)


def test_of_a_bucket_no_more_is_fetched_at_once_than_becomes_one_file(
    files: ParquetFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 7):
        files.load(f"{number}.5", pods=[pod(f"pod-{number}")])
    monkeypatch.setattr(parquet_files, "SMALL", 1 + max(p.stat().st_size for p in (files.path / "pods").iterdir()))
    bucket = Bucket(files.path)
    prune_raw(ParquetRaw(bucket, "/bucket/raw", tmp_path / "scratch"), tmp_path / "scratch")
    assert len(bucket.ls("/bucket/raw/pods")) == 3
    assert max(len(paths) for paths in bucket.at_once if "/pods/" in paths[0]) == 2


def test_a_database_that_another_program_writes_to_is_left_alone(tmp_path: Path) -> None:
    files = DuckDBFiles(tmp_path)
    world(files)
    before = counting(files)
    log = Path(f"{files.path}.wal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "exists", lambda path: path == log or path.is_file())
        with pytest.raises(PruneRefused, match="another program"):
            prune_raw(files.store, tmp_path / "scratch")
    assert counting(files) == before


def test_nothing_loaded_is_nothing_to_remove(either: RawFiles, tmp_path: Path) -> None:
    assert prune_raw(either.store, tmp_path / "scratch") == Pruned()
