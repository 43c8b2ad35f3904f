from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from tests.transforms.raw_files import DuckDBFiles, RawFiles, at, pod, run
from tests.transforms.tables import marts, published
from transforms import (
    Build,
    Finding,
    Generation,
    Layout,
    PublicationStopped,
    generations,
    models,
    partitions,
    prune_generations,
    publication,
    publish,
    refresh,
)
from transforms.publication import current

BAD = Finding("pods_key", "error", "Twice.", 1, [{"pod_id": "a"}])
DOUBTFUL = Finding("pods_unknown_phase", "warn", "Odd.", 1, [{"phase": "x"}])
LAST_YEAR = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)


def publish_all(layout: Layout, files: RawFiles, *findings: Finding) -> Generation:
    with Build(layout) as build:
        build.take_in(files.store)
        return publish(layout, build, build.refresh(), [*findings, *build.audit()], version="1.2.3")


BY_MONTH = {mart.name for mart in models.marts() if mart.rebuilt_by == "pod_id"}


def parquet_files(layout: Layout) -> dict[str, Path]:
    folder = layout.published / "parquet"
    return {file.relative_to(folder).as_posix(): file for file in folder.rglob("*.parquet")}


def parquet(layout: Layout, table: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        every = layout.published / "parquet" / table / "**" / "*.parquet"
        hive = " exclude (created_month)" if table in BY_MONTH else ""
        return con.execute(f"select *{hive} from read_parquet('{every}') order by all").fetchall()


def test_files_that_do_not_fit_into_little_memory_are_written_with_more(
    layout: Layout, either: RawFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failures = partitions.write, [duckdb.OutOfMemoryException]

    def fail_at_the_end(*args: Any) -> None:
        write(*args)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(partitions, "write", fail_at_the_end)
    either.load("1.5", pods=[pod()], runs=[run()])
    publish_all(layout, either)
    assert failures == []
    assert len(parquet(layout, "pods")) == 1


def test_parquet_and_database_hold_the_same(layout: Layout, either: RawFiles) -> None:
    either.load(
        "1.5",
        pods=[pod("a"), pod("b", created_at=LAST_YEAR), pod("c", created_at=None, containers=[{"name": "c"}])],
        cluster_pods=[{"pod_id": "elsewhere", "content_hash": "", "observed_at": at(0)}],
        runs=[run()],
    )
    publish_all(layout, either)
    database = published(layout.data_dir)

    assert {table: parquet(layout, table) for table in database} == database
    assert len(database["pods"]) == 3
    # A table without rows can be read all the same.
    assert database["pod_tolerations"] == []


def test_pods_lie_in_the_month_of_their_creation_by_utc(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a"), pod("b", created_at=LAST_YEAR), pod("c", created_at=None)])
    publish_all(layout, files)
    every = layout.published / "parquet" / "pods" / "**" / "*.parquet"
    with duckdb.connect() as con:
        months = con.execute(f"select pod_id, created_month from '{every}' order by all").fetchall()

    assert months == [("a", "2026-07"), ("b", "2025-12"), ("c", "unknown")]


def test_published_is_a_relative_link_to_the_newest_generation(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")])
    first = publish_all(layout, files)
    files.load("2.5", pods=[pod("b")])
    second = publish_all(layout, files)

    assert not layout.published.readlink().is_absolute()
    assert current(layout) == second.path
    assert sorted([first.path.name, second.path.name]) == [first.path.name, second.path.name]
    moved = layout.data_dir.rename(layout.data_dir.with_name("moved"))
    assert len(published(moved)["pods"]) == 2
    moved.rename(layout.data_dir)


def test_only_files_of_pods_that_changed_are_written_again(layout: Layout, files: DuckDBFiles) -> None:
    ended: dict[str, Any] = {"completed_at": at(-1), "containers": [{"name": "c"}]}
    files.load("1.5", pods=[pod("a", **ended), pod("b", created_at=LAST_YEAR, **ended)], runs=[run(0)])
    publish_all(layout, files)
    before = {name: file.stat().st_ino for name, file in parquet_files(layout).items()}
    files.load("2.5", pods=[pod("a", 5, priority_class_name="high", **ended)], runs=[run(5)])
    publish_all(layout, files)
    after = {name: file.stat().st_ino for name, file in parquet_files(layout).items()}

    assert {name for name in after if after[name] != before.get(name) and "unknown" not in name} == {
        "pods/created_month=2026-07/pods.parquet",
        "runs/runs.parquet",
        "pod_counts/pod_counts.parquet",
        "metric_catalogue/metric_catalogue.parquet",
        "gpu_usage_daily/gpu_usage_daily.parquet",
    }
    assert before.keys() == after.keys()


def test_a_pod_that_moves_to_another_month_leaves_the_old_one(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a", created_at=None, completed_at=at(0), containers=[{"name": "c"}])])
    publish_all(layout, files)
    files.load("2.5", pods=[pod("a", 5, completed_at=at(0), containers=[{"name": "c"}])])
    publish_all(layout, files)

    assert {name for name in parquet_files(layout) if name.startswith(("pods/", "pod_containers/"))} == {
        "pods/created_month=2026-07/pods.parquet",
        "pod_containers/created_month=2026-07/pod_containers.parquet",
    }


def test_a_large_month_is_cut_by_day(layout: Layout, files: DuckDBFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_PODS_IN_A_FILE", 3)

    def on(day: int, number: int) -> dict[str, Any]:
        return pod(f"{day}-{number}", created_at=datetime(2026, 6, day, tzinfo=UTC), completed_at=at(-9))

    files.load("1.5", pods=[on(1, 0), on(1, 1), on(2, 0)])
    publish_all(layout, files)
    assert {name for name in parquet_files(layout) if name.startswith("pods/")} == {
        "pods/created_month=2026-06/pods.parquet"
    }

    files.load("2.5", pods=[on(3, 0)])
    publish_all(layout, files)
    by_day = {name: file.stat().st_ino for name, file in parquet_files(layout).items()}
    assert {name for name in by_day if name.startswith("pods/")} == {
        f"pods/created_month=2026-06/pods-0{day}.parquet" for day in (1, 2, 3)
    }

    files.load("3.5", pods=[on(3, 1)])
    publish_all(layout, files)
    again = {name: file.stat().st_ino for name, file in parquet_files(layout).items()}
    assert {name for name in again if name.startswith("pods/") and again[name] != by_day[name]} == {
        "pods/created_month=2026-06/pods-03.parquet"
    }
    assert len(parquet(layout, "pods")) == 5


def test_without_hard_links_files_are_copied(
    layout: Layout, files: DuckDBFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    files.load("1.5", pods=[pod("a", completed_at=at(0))])
    publish_all(layout, files)
    monkeypatch.setattr(os, "link", refuse)
    publish_all(layout, files)

    assert len(parquet(layout, "pods")) == 1


def test_an_error_stops_the_publication_and_leaves_the_last_good_one(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")])
    good = publish_all(layout, files)
    files.load("2.5", pods=[pod("b")])
    with pytest.raises(PublicationStopped, match="pods_key") as stopped:
        publish_all(layout, files, BAD, DOUBTFUL)

    assert stopped.value.findings == [BAD]
    assert "1 row: pod_id a" in str(stopped.value)
    assert current(layout) == good.path
    assert [path.name for path in layout.generations.iterdir()] == [good.path.name]
    # What was not published is still due.
    later = publish_all(layout, files, DOUBTFUL)
    assert later.warnings == [DOUBTFUL]
    assert json.loads((later.path / "manifest.json").read_text(encoding="utf-8"))["warnings"] == [asdict(DOUBTFUL)]
    assert len(parquet(layout, "pods")) == 2


STEPS = [
    (refresh, "_note_unpublished"),
    (refresh, "_rebuild_whole"),
    (partitions, "write"),
    (Build, "copy_marts"),
    (publication, "_render"),
    (publication, "_sync"),
    (publication, "_point"),
    (Build, "note_published"),
    (publication, "prune_generations"),
]


class Killed(BaseException):
    """The process ends here: nothing may clean up."""


def _killed(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
def test_a_publication_killed_at_any_step_is_made_good_by_the_next(
    layout: Layout, files: DuckDBFiles, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str]
) -> None:
    files.load("1.5", pods=[pod("a", completed_at=at(0)), pod("b", created_at=LAST_YEAR)], runs=[run(0)])
    publish_all(layout, files)
    files.load("2.5", pods=[pod("b", 5, created_at=LAST_YEAR, node_name="n"), pod("c", 5)], runs=[run(5)])
    with monkeypatch.context() as patch:
        # A killed process removes nothing.
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(*step, _killed)
        with pytest.raises(Killed):
            publish_all(layout, files)
    assert len(published(layout.data_dir)["pods"]) in {2, 3}
    publish_all(layout, files)
    database = published(layout.data_dir)

    assert [row[0] for row in database["pods"]] == ["a", "b", "c"]
    assert {table: parquet(layout, table) for table in database} == database
    assert [path for path in layout.generations.iterdir() if path.name.startswith(".")] == []


def test_a_generation_that_the_books_do_not_know_is_not_linked_to(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a", completed_at=at(0))])
    generation = publish_all(layout, files)
    with Build(layout) as build:
        build.note_published("another")
    shutil.rmtree(generation.path / "parquet" / "pods")
    publish_all(layout, files)

    assert len(parquet(layout, "pods")) == 1


def test_a_reader_sees_one_generation_whatever_is_published(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")])
    publish_all(layout, files)
    folder = layout.published.resolve()
    with duckdb.connect(layout.published / "runai.duckdb", read_only=True) as reader:
        reader.execute("from pods").fetchall()
        files.load("2.5", pods=[pod("b")])
        publish_all(layout, files)

        assert reader.execute("select pod_id from pods").fetchall() == [("a",)]
        assert reader.execute(f"select pod_id from '{folder}/parquet/pods/**/*.parquet'").fetchall() == [("a",)]
        # The same process asks again, through the link. DuckDB 1.4 takes the path for the file that it has open.
        sees = 1 if duckdb.__version__ < "1.5" else 2
        with duckdb.connect(layout.published / "runai.duckdb", read_only=True) as later:
            assert later.execute("select count(*) from pods").fetchall() == [(sees,)]


def test_a_manifest_says_what_is_in_the_generation(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")], runs=[run(3)])
    generation = publish_all(layout, files)
    manifest = json.loads((generation.path / "manifest.json").read_text(encoding="utf-8"))

    assert (manifest["version"], manifest["as_of"]) == ("1.2.3", at(3).isoformat())
    assert manifest["tables"].keys() == {model.name for model in (*models.marts(), *models.series())}
    assert manifest["tables"]["pods"]["rows"] == 1
    assert manifest["tables"]["pods"]["columns"]["created_at"] == "timestamptz"
    assert manifest["files"]["runai.duckdb"] == (generation.path / "runai.duckdb").stat().st_size
    assert "parquet/pods/created_month=2026-07/pods.parquet" in manifest["files"]


def test_the_published_database_holds_the_tables_and_nothing_else(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")])
    generation = publish_all(layout, files)
    with duckdb.connect(generation.path / "runai.duckdb", read_only=True) as con:
        tables = {name for (name,) in con.execute("show tables").fetchall()}
        comment = con.execute("select comment from duckdb_tables() where table_name = 'pods'").fetchone()

    assert tables == {model.name for model in (*models.marts(), *models.series())}
    assert comment == ("One row per pod, as last known.",)
    assert not (generation.path / "runai.duckdb.wal").exists()


def test_generations_go_a_day_after_they_were_replaced(layout: Layout) -> None:
    names = ["20260701T000000Z-000001", "20260702T000000Z-000002", "20260703T000000Z-000003"]
    for name in names:
        (layout.generations / name).mkdir(parents=True)
    unfinished = layout.generations / ".unfinished-20260703T000001Z-000004"
    unfinished.mkdir()
    # As a kill leaves it while views are made: it leads nowhere once the directory is gone.
    lent = layout.generations / "20260703T000001Z-000004"
    lent.symlink_to(unfinished.name, target_is_directory=True)
    layout.published.symlink_to(layout.generations / names[2])
    noon = datetime(2026, 7, 3, 12, tzinfo=UTC)

    assert generations(layout) == [layout.generations / name for name in names]
    assert prune_generations(layout, now=noon) == [layout.generations / names[0], unfinished, lent]
    assert not lent.is_symlink()
    assert prune_generations(layout, now=noon) == []
    assert prune_generations(layout, keep_for=timedelta(hours=1), now=noon) == [layout.generations / names[1]]
    assert prune_generations(layout, keep_for=timedelta(0), now=noon + timedelta(days=99)) == []
    assert current(layout) == layout.generations / names[2]


def disk(monkeypatch: pytest.MonkeyPatch, layout: Layout, size: int) -> None:
    """Let the generations lie on a disk of so many bytes that has nothing else."""

    def usage(_: Path) -> SimpleNamespace:
        taken = sum(path.stat().st_size for path in layout.generations.rglob("runai.duckdb"))
        return SimpleNamespace(free=max(size - taken, 0))

    monkeypatch.setattr(shutil, "disk_usage", usage)


@pytest.mark.parametrize(
    ("size", "standing"),
    [
        (100_000, 24 * 4 + 2),
        # As many bytes were replaced as are free, and there is the current one.
        (6_200, 31),
        # Not one of the last two hours goes, even on a disk that is full.
        (900, 2 * 4 + 2),
    ],
)
def test_what_stands_is_a_day_of_generations_or_half_of_the_disk(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, size: int, standing: int
) -> None:
    disk(monkeypatch, layout, size)
    first = datetime(2026, 7, 1, tzinfo=UTC)
    for number in range(110):
        now = first + number * timedelta(minutes=15)
        generation = layout.generations / f"{now:%Y%m%dT%H%M%SZ}-{number:06}"
        generation.mkdir(parents=True)
        (generation / "runai.duckdb").write_bytes(b"x" * 100)
        layout.published.unlink(missing_ok=True)
        layout.published.symlink_to(generation)
        prune_generations(layout, now=now)
    numbers = sorted(int(path.name[-6:]) for path in layout.generations.iterdir())
    assert numbers == [*range(110)][-standing:]


def test_the_current_generation_stays_although_a_later_one_lies_beside_it(layout: Layout) -> None:
    """A publication killed before the link was replaced."""
    names = ["20260701T000000Z-000001", "20260702T000000Z-000002"]
    for name in names:
        (layout.generations / name).mkdir(parents=True)
    layout.published.symlink_to(layout.generations / names[0])

    assert prune_generations(layout, now=datetime(2026, 8, 1, tzinfo=UTC)) == []


def test_generations_go_in_the_order_of_their_numbers_although_the_clock_went_back(layout: Layout) -> None:
    names = ["20260709T000000Z-000001", "20260702T000000Z-000002", "20260703T000000Z-000003"]
    for name in names:
        (layout.generations / name).mkdir(parents=True)
    layout.published.symlink_to(layout.generations / names[2])

    assert prune_generations(layout, now=datetime(2026, 7, 3, 12, tzinfo=UTC)) == [layout.generations / names[0]]


@pytest.mark.parametrize("name", ["backup", "2026-07-01", "20260701T000000Z-old", "lost+found"])
def test_what_somebody_else_put_beside_the_generations_is_left_alone(
    layout: Layout, files: DuckDBFiles, name: str
) -> None:
    files.load("1.5", pods=[pod("a")])
    foreign = layout.generations / name
    foreign.mkdir(parents=True)
    first, second = publish_all(layout, files), publish_all(layout, files)

    assert sorted(layout.generations.iterdir()) == sorted([foreign, first.path, second.path])
    assert prune_generations(layout, keep_for=timedelta(0), now=datetime(2999, 1, 1, tzinfo=UTC)) == [first.path]
    assert foreign.exists()


def test_a_link_with_the_name_of_a_generation_is_left_alone(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")])
    link = layout.generations / "20200101T000000Z-000001"
    (layout.generations / "elsewhere").mkdir(parents=True)
    link.symlink_to("elsewhere")
    publish_all(layout, files)
    assert link.is_symlink()


def test_a_generation_needs_nothing_but_raw(layout: Layout, either: RawFiles) -> None:
    either.load("1.5", pods=[pod("a"), pod("b")], runs=[run(3)])
    publish_all(layout, either)
    before = published(layout.data_dir)
    shutil.rmtree(layout.state)
    generation = publish_all(layout, either)

    assert published(layout.data_dir) == before
    assert generation.as_of == at(3)
    with Build(layout) as build:
        assert marts(build) == before


def test_nothing_read_is_published_as_empty_tables(layout: Layout, either: RawFiles) -> None:
    publish_all(layout, either)

    assert set(map(len, published(layout.data_dir).values())) == {0}
    assert parquet(layout, "pods") == []
