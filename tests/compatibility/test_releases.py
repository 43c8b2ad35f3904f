"""What an earlier release wrote is read and carried on by this one, whatever either of them keeps beside raw."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.run import VERSION, rebuild
from pipelines.settings import ROOT, Settings
from tests.behaviour.samples import sample_differences
from tests.behaviour.scene import OBSERVED, scene
from tests.behaviour.truth import differences, offered
from tests.compatibility.keep import RELEASES, WORLD
from transforms.sql import literal

KEPT = [f"{archive.name} {name}" for archive in RELEASES.glob("*.tar.xz") for name in ("duckdb", "filesystem")]


@pytest.fixture(params=KEPT)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A data directory as the release left it, and its destination."""
    archive, destination = request.param.split()
    with tarfile.open(RELEASES / archive) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path / destination, destination


def rows(generation: Path, columns: dict[str, list[str]]) -> dict[str, Counter[Any]]:
    """How often each row is in the Parquet files of each table."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        found = {
            table: con.execute(f"select {', '.join(names)} from {files(generation, table)}").fetchall()
            for table, names in columns.items()
        }
    return {table: Counter(tuple(map(stable, row)) for row in kept) for table, kept in found.items()}


def stable(value: Any) -> Any:
    """A number without its last digits, which differ between versions of DuckDB."""
    return float(f"{value:.12g}") if isinstance(value, float) else value


def files(generation: Path, table: str) -> str:
    # How files are spread over folders is no part of the contract.
    return f"read_parquet({literal(f'{generation}/parquet/{table}/**/*.parquet')}, hive_partitioning = false)"


def columns_of(generation: Path) -> dict[str, list[str]]:
    with duckdb.connect() as con:
        return {
            folder.name: [n for n in con.sql(f"from {files(generation, folder.name)}").columns if n not in OBSERVED]
            for folder in sorted((generation / "parquet").iterdir())
            if any(folder.rglob("*.parquet"))
        }


def test_every_release_has_left_a_data_directory() -> None:
    """Before the first one, the version that is to be it: without an archive the tests below would all be skipped."""
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    kept = {archive.name for archive in RELEASES.iterdir()}
    assert [version for version in released or [VERSION] if f"{version}.tar.xz" not in kept] == []


def test_a_rebuild_publishes_what_the_release_published(kept: tuple[Path, str]) -> None:
    """Its columns and its rows: a release may add, and takes nothing away."""
    data_dir, destination = kept
    was = (data_dir / "published").resolve()
    columns = columns_of(was)
    assert len(columns) > 15
    before = rows(was, columns)
    rebuild(Settings(data_dir=data_dir, destination=destination, progress="none"))
    after = rows((data_dir / "published").resolve(), columns)
    assert [table for table in columns if after[table] != before[table]] == []


def test_the_next_run_goes_on_where_the_release_stopped(kept: tuple[Path, str]) -> None:
    data_dir, destination = kept
    with scene(data_dir, destination, config=WORLD) as here:
        floor = here.clock.now() - timedelta(hours=2)
        here.advance(hours=2)
        found = here.run(metrics="basic")
        assert (found.first_run, found.reading.counts_agree) == (False, True)
        assert differences(here.pods(), offered(here.world, here.clock.now())) == []
        assert sample_differences(here, floor) == []
