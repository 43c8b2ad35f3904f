"""The house keeps its shape: arrows point down only, and what is pinned is what is asked for."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
# What each room may import of the others.
MAY_IMPORT = {
    "simulator": set[str](),
    "sources": set[str](),
    "transforms": set[str](),
    "pipelines": {"sources", "transforms", "simulator"},
    "bench": {"simulator"},
    # They read what is published, as anybody does.
    "notebooks": set[str](),
}
ROOMS = {*MAY_IMPORT, "tests"}
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[.*?\])?==(?P<version>\S+)(?P<rest>(?:.*\\\n)+.*)", re.MULTILINE)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_point_down_only(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        rooms = {name.partition(".")[0] for name in imports(path)} & ROOMS
        assert rooms - {room} <= MAY_IMPORT[room], path


@pytest.mark.parametrize("room", [*MAY_IMPORT])
def test_no_result_is_left_half_read(room: str) -> None:
    """DuckDB 2 runs nothing else on a connection that has more rows to give, and its relations know no `fetchone`."""
    assert [path for path in (ROOT / room).rglob("*.py") if ".fetchone(" in path.read_text()] == []


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines if not line.startswith(project["name"])]


def test_every_dependency_is_pinned_within_its_bounds_and_hashed() -> None:
    text = (ROOT / "requirements.txt").read_text()
    pins = {pin["name"]: pin["version"] for pin in PIN.finditer(text)}
    assert len(pins) > 50
    assert all("--hash=sha256:" in pin["rest"] for pin in PIN.finditer(text))
    for requirement in asked_for():
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_lock_names_no_index() -> None:
    assert not re.search(r"--(extra-)?index-url|--find-links|://", (ROOT / "requirements.txt").read_text())
