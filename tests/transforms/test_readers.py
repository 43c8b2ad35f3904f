"""What `docs/bi.md` tells whoever opens a published database: where its files may lie, and who locks whom."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.transforms.test_audit import CATALOGUE, load_world
from transforms import Build, DuckDBRaw, Layout, models, publish

WRITER = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def published(layout: Layout) -> Path:
    """The folder of a new generation of what was loaded."""
    with Build(layout, CATALOGUE) as build:
        build.take_in(DuckDBRaw(layout.warehouse))
        return publish(layout, build, build.refresh(), []).path


@pytest.fixture
def folder(layout: Layout) -> Path:
    """The folder of a generation with a pod and samples of it."""
    load_world(layout)
    return published(layout)


def reader(folder: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(folder / "runai.duckdb", read_only=True)


@contextmanager
def writer(folder: Path) -> Iterator[None]:
    """Another process that has the database open for writing."""
    command = [sys.executable, "-c", WRITER, str(folder / "runai.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.stdin.close()


def test_where_the_folder_lies_elsewhere_the_macros_read_and_the_views_do_not(layout: Layout, folder: Path) -> None:
    with reader(folder) as con:
        before = {model.name: con.execute(f"from {model.name}").fetchall() for model in models.series()}
    elsewhere = folder.rename(layout.data_dir / "elsewhere")
    with reader(elsewhere) as con:
        assert con.execute("select count(*) from pods").fetchall() == [(1,)]
        assert {name: con.execute(f"from {name}_in('{elsewhere}')").fetchall() for name in before} == before
        assert all(rows for name, rows in before.items() if name != "pod_metric_histograms")
        for name in before:
            with pytest.raises(duckdb.IOException, match="No files found"):
                con.execute(f"from {name}")


def test_who_keeps_a_generation_that_is_gone_has_its_tables_and_no_samples(folder: Path) -> None:
    with reader(folder) as con:
        con.execute("from runs").fetchall()
        folder.rename(folder.with_name("gone"))
        assert con.execute("select count(*) from pods").fetchall() == [(1,)]
        with pytest.raises(duckdb.IOException, match="No files found"):
            con.execute("from pod_metrics")


def test_who_opens_it_for_writing_shuts_readers_out_and_no_run(layout: Layout, folder: Path) -> None:
    with writer(folder):
        with pytest.raises(duckdb.IOException, match="Could not set lock"):
            reader(folder)
        assert published(layout) == layout.published.resolve() != folder
        with reader(layout.published) as con:
            assert con.execute("select count(*) from pods").fetchall() == [(1,)]


def test_many_read_at_once_and_none_writes(folder: Path) -> None:
    with reader(folder) as one, reader(folder) as other:
        assert one.execute("from pods").fetchall() == other.execute("from pods").fetchall()
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            one.execute("delete from pods")
