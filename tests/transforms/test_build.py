from __future__ import annotations

import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import duckdb
import pytest

from tests.transforms.raw_files import DuckDBFiles, RawFiles, absence, at, pod, run
from tests.transforms.tables import column, marts, refreshed, row, rows
from transforms import Build, BuildBusy, Layout, database, refresh
from transforms import build as build_module
from transforms.sql import scalar

DAY = 24 * 60
UNPUBLISHED = "select pod_id from build.main.unpublished_pods order by all"


def known(build: Build, files: DuckDBFiles, **tables: Any) -> dict[str, Any]:
    files.load("1.5", **tables)
    build.take_in(files.store)
    return row(build, "from known_pods")


def test_known_pods_say_what_the_newest_version_said(build: Build, files: DuckDBFiles) -> None:
    newest = pod(observed=5, content_hash="new", workload_id="w", cluster_id="c", project_name=None)
    said = known(build, files, pods=[newest, pod(observed=1, content_hash="old", project_name="p", workload_name="n")])

    assert said == {
        "pod_id": "pod-1",
        "workload_id": "w",
        "cluster_id": "c",
        "created_at": at(-60),
        "completed_at": None,
        "deleted_at": None,
        "phase": "Running",
        "is_completed": False,
        "is_deleted": False,
        "is_open": True,
        "is_reachable": True,
        "content_hash": "new",
        "project_name": "p",
        "workload_name": "n",
        "first_observed_at": at(1),
        "last_observed_at": at(5),
        "absences": 0,
        "first_absent_at": None,
        "last_absent_at": None,
        # Nothing is known of what it asked for.
        "has_gpu": True,
        "shows_nim": False,
    }


@pytest.mark.parametrize(
    ("ended", "is_completed", "is_deleted"),
    [({"completed_at": at(0)}, True, False), ({"deleted_at": at(0), "is_deleted": True}, False, True)],
    ids=["completed", "deleted"],
)
def test_a_pod_that_ended_is_not_open(
    build: Build, files: DuckDBFiles, ended: dict[str, Any], is_completed: bool, is_deleted: bool
) -> None:
    said = known(build, files, pods=[pod(**ended)])

    assert (said["is_open"], said["is_completed"], said["is_deleted"]) == (False, is_completed, is_deleted)


@pytest.mark.parametrize(
    ("looks", "absences", "is_open"),
    [([], 0, True), ([10], 1, True), ([10, 20, 20], 2, True), ([10, 20, DAY], 3, True), ([10, DAY + 10], 2, False)],
)
def test_a_pod_is_given_up_once_a_day_of_looks_found_nothing(
    build: Build, files: DuckDBFiles, looks: list[int], absences: int, is_open: bool
) -> None:
    said = known(build, files, pods=[pod()], pod_absences=[absence(observed=look) for look in looks])

    assert (said["absences"], said["is_open"], said["is_reachable"]) == (absences, is_open, not looks)
    assert said["last_absent_at"] == (at(max(looks)) if looks else None)


def test_a_pod_that_is_seen_again_starts_anew(build: Build, files: DuckDBFiles) -> None:
    known(build, files, pods=[pod()], pod_absences=[absence(observed=1), absence(observed=DAY * 2)])
    files.load("2.5", pods=[pod(observed=DAY * 3)])
    build.take_in(files.store)
    files.load("3.5", pod_absences=[absence(observed=DAY * 4)])
    build.take_in(files.store)

    assert rows(build, "select absences, is_open, is_reachable from known_pods") == [(1, True, False)]


def test_an_absence_alone_makes_no_pod(build: Build, files: DuckDBFiles) -> None:
    files.load("1.5", pod_absences=[absence("never-read")])
    refreshed(build, files.store)

    assert column(build, "select count(*) from known_pods") == [0]
    assert build.audit() == []


def test_taking_in_twice_takes_in_once(build: Build, either: RawFiles) -> None:
    either.load("1.5", pods=[pod("a"), pod("b")], runs=[run()])
    first, second = build.take_in(either.store), build.take_in(either.store)

    assert (first.loads, first.touched_pods, first.rows["raw_pods"]) == (["1.5"], 2, 2)
    assert (second.loads, second.touched_pods, second.rows) == ([], 0, {})


def test_a_load_that_the_destination_lost_starts_everything_over(build: Build, either: RawFiles) -> None:
    either.load("1.5", pods=[pod("a")])
    either.load("2.5", pods=[pod("b")])
    refreshed(build, either.store)
    either.forget("1.5")
    taken = build.take_in(either.store)
    build.refresh()

    assert (taken.started_over, taken.loads) == (True, ["2.5"])
    assert column(build, "select pod_id from marts.pods") == ["b"]


def test_the_build_goes_on_where_the_process_before_stopped(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a", completed_at=at(0))])
    with Build(layout) as build:
        build.take_in(files.store)
    with Build(layout) as build:
        assert not build.take_in(files.store).loads
        assert build.refresh().rebuilt_pods == 1
    with Build(layout) as build:
        assert build.refresh().rebuilt_pods == 0
        assert column(build, "select pod_id from marts.pods") == ["a"]


@pytest.mark.parametrize("damage", ["garbage", "lost marts", "lost build", "other models"])
def test_a_build_that_cannot_be_trusted_is_made_again(
    layout: Layout, files: DuckDBFiles, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.load("1.5", pods=[pod("a")])
    with Build(layout) as build:
        before = marts(refreshed(build, files.store))
    if damage == "garbage":
        layout.build.write_bytes(b"no database" * 1000)
    elif damage == "lost marts":
        layout.marts.unlink()
    elif damage == "lost build":
        layout.build.unlink()
    else:
        monkeypatch.setattr(build_module, "fingerprint", lambda reporting: f"of tomorrow: {reporting}")
    with Build(layout) as build:
        assert column(build, "select * from taken_in") == []
        assert marts(refreshed(build, files.store)) == before


def test_a_build_that_another_process_has_open_is_left_alone(layout: Layout, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a")])
    with Build(layout) as build:
        refreshed(build, files.store)
    holder = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(layout.build)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(BuildBusy, match=r"build\.duckdb"):
            Build(layout)
        process.communicate(b"")
    with Build(layout) as build:
        assert column(build, "select * from taken_in") == ["1.5"]


def test_what_a_killed_process_had_spilled_is_cleared_away(layout: Layout) -> None:
    layout.spill.mkdir(parents=True)
    (layout.spill / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"rows")
    with Build(layout):
        assert not layout.spill.exists()


def test_what_changed_since_the_last_publication_is_known(build: Build, files: DuckDBFiles) -> None:
    files.load(
        "1.5",
        pods=[pod("a", project_name="x"), pod("b", project_name="x"), pod("c", project_name="y")],
        runs=[run(0)],
    )
    build.take_in(files.store)
    first = build.refresh()
    assert column(build, UNPUBLISHED) == ["a", "b", "c"]
    build.note_published("1")
    ended: dict[str, Any] = {"observed": 5, "completed_at": at(5), "project_name": "x"}
    files.load("2.5", pods=[pod("a", **ended), pod("d", 5, is_deleted=True), pod("c", 5, project_name="y")])
    files.load("3.5", runs=[run(10)])
    build.take_in(files.store)
    second = build.refresh()

    assert (first.as_of, first.rows["pods"], first.rebuilt_pods) == (at(0), 3, 3)
    assert (second.as_of, second.rows["pods"], second.rebuilt_pods) == (at(10), 4, 4)
    # That it was looked at again is no change of a pod.
    assert column(build, UNPUBLISHED) == ["a", "d"]
    assert build.refresh(as_of=at(3)).as_of == at(3)
    assert column(build, UNPUBLISHED) == ["a", "d"]


def test_marts_that_a_kill_left_ahead_of_the_books_are_written_again(
    build: Build, files: DuckDBFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marts and books are two databases, so that one is committed after the other."""

    def refresh_and_die() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(refresh, "kept", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                refreshed(build, files.store)

    images = "select image from marts.main.pod_containers"
    files.load("1.5", pods=[pod("a", containers=[{"name": "c", "image": "x"}]), pod("b")], runs=[run(0)])
    refresh_and_die()
    before = marts(refreshed(build, files.store))
    assert [name for name, _ in rows(build, "select pod_id, count(*) from marts.main.pods group by all")] == ["a", "b"]
    build.note_published("1")
    # By the next look it is as it was: the books do not know that it ever differed.
    files.load("2.5", pods=[pod("a", 5, containers=[{"name": "c", "image": "y"}])])
    refresh_and_die()
    assert column(build, images) == ["y"]
    files.load("3.5", pods=[pod("a", 6, containers=[{"name": "c", "image": "x"}])])
    after = marts(refreshed(build, files.store))
    assert [len(after[name]) for name in after] == [len(before[name]) for name in before]
    assert column(build, images) == ["x"]


@pytest.mark.pinned
def test_a_batch_of_pods_leaves_room_in_the_memory(
    layout: Layout, files: DuckDBFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the models of a batch leave behind needs a part of it too, and a run that has read much another."""
    monkeypatch.setattr(database, "_MEMORY", "38MB")
    monkeypatch.setattr(database, "_MORE_MEMORY", ())
    files.load("1", pods=[pod(f"pod-{number}") for number in range(600)], runs=[run()])
    with Build(layout) as build:
        build.take_in(files.store)
        assert build.refresh().rebuilt_pods == 600


def test_names_of_a_megabyte_end_nothing(build: Build, files: DuckDBFiles) -> None:
    long = 2**20
    files.load("1", pods=[pod(f"{number}", name=f"{number}".ljust(long, "x")) for number in range(60)], runs=[run()])
    refreshed(build, files.store)
    assert build.audit() == []
    told = rows(build, "select pod_id, rtrim(pod_name, 'x'), length(pod_name) from marts.pods order by pod_id::int")
    assert told == [(f"{number}", f"{number}", long) for number in range(60)]


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_a_step_that_ran_out_of_memory_is_done_again_with_more(failures: int, caplog: pytest.LogCaptureFixture) -> None:
    had: list[str] = []
    with database.connect(":memory:") as con:

        def step() -> str:
            had.append(scalar(con, "select current_setting('memory_limit')"))
            if len(had) <= failures:
                raise duckdb.OutOfMemoryException
            return "done"

        if failures == 3:
            with pytest.raises(duckdb.OutOfMemoryException):
                database.with_room(con, step)
        else:
            assert database.with_room(con, step) == "done"
    assert had == ["122.0 MiB", "488.2 MiB", "1.8 GiB"][: failures + 1]
    assert len(caplog.records) == min(failures, 2)


def test_what_a_step_needed_stays_for_the_next() -> None:
    had: list[str] = []
    with database.connect(":memory:") as con:

        def step() -> None:
            had.append(scalar(con, "select current_setting('memory_limit')"))
            if len(had) % 2:
                raise duckdb.OutOfMemoryException

        database.with_room(con, step)
        database.with_room(con, step)
    assert had == ["122.0 MiB", "488.2 MiB", "488.2 MiB", "1.8 GiB"]


def test_planning_sees_every_pod_after_a_refresh(build: Build, files: DuckDBFiles) -> None:
    files.load("1.5", pods=[pod("a", completed_at=at(0)), pod("b")])
    refreshed(build, files.store)
    files.load("2.5", pods=[pod("b", 1)])
    refreshed(build, files.store)
    build.audit()

    assert column(build, "select id from raw_pods order by all") == ["a", "b", "b"]
    assert column(build, "select pod_id from known_pods order by all") == ["a", "b"]


def test_instants_are_utc_wherever_the_process_lives(build: Build) -> None:
    assert build.connection.execute("select cast(timestamptz '2026-07-01 00:00:00' as varchar)").fetchone() == (
        "2026-07-01 00:00:00+00",
    )


def test_published_databases_open_in_duckdb_1_2(build: Build) -> None:
    tags = row(build, "select tags from duckdb_databases() where database_name = 'marts'")["tags"]

    assert tags["storage_version"].startswith("v1.2.0")
    assert isinstance(build.connection, duckdb.DuckDBPyConnection)
