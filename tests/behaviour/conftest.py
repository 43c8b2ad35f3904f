from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.behaviour.scene import Scene, scene


@pytest.fixture(params=["duckdb", "filesystem"])
def destination(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def here(tmp_path: Path, destination: str) -> Iterator[Scene]:
    """A world of 300 pods, and an empty data directory, once per destination."""
    with scene(tmp_path / "data", destination) as made:
        yield made


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Scene]:
    """The same on the default destination, for what happens before anything is loaded."""
    with scene(tmp_path / "data") as made:
        yield made
