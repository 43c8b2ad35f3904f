from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transforms.raw_files import DuckDBFiles, ParquetFiles, RawFiles
from transforms import Build, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture(params=[DuckDBFiles, ParquetFiles], ids=["duckdb", "parquet"])
def either(request: pytest.FixtureRequest, layout: Layout) -> RawFiles:
    """Raw files of each destination in turn."""
    files: RawFiles = request.param(layout.data_dir)
    return files


@pytest.fixture
def files(layout: Layout) -> DuckDBFiles:
    """Raw files where it does not matter which destination holds them."""
    return DuckDBFiles(layout.data_dir)


@pytest.fixture
def build(layout: Layout) -> Iterator[Build]:
    with Build(layout) as build:
        yield build
