"""Worlds to test against."""

from __future__ import annotations

import pytest

from tests.simulator.plane import Plane


@pytest.fixture
def plane() -> Plane:
    """A world of version 2.21 that a test may change."""
    return Plane()


@pytest.fixture(scope="session")
def untouched() -> Plane:
    """A world of version 2.21 that no test changes, neither its pods nor its clock nor its switches."""
    return Plane()
