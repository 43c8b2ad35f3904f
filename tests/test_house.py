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


# Methods of connections, of relations, or of both that DuckDB 2.0 does not have any more (`dir` of 1.5 and of 2.0), or
# that it has of one kind alone. What a relation lacks and a connection keeps, `execute`, is in no list of names.
GONE = {"arrow", "fetch_arrow_table", "fetch_df_chunk", "fetch_record_batch", "fetchmany", "fetchone", "pl"}
# Of a result of `execute`, DuckDB 2.0 warns of these; of a relation they are good.
COPIED = {"to_arrow_reader", "to_arrow_table"}


def methods_called(path: Path) -> Iterator[tuple[str, str]]:
    """The name of each method that is called, and of the one that made what it is called of."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = node.func.value.func if isinstance(node.func.value, ast.Call) else None
            yield node.func.attr, of.attr if isinstance(of, ast.Attribute) else ""


@pytest.mark.parametrize("room", [*MAY_IMPORT])
def test_nothing_is_called_that_duckdb_2_removed(room: str) -> None:
    """Nor what leaves a result half read: DuckDB 2 runs nothing else on a connection that has more rows to give."""
    found = [(path.name, call) for path in (ROOT / room).rglob("*.py") for call in methods_called(path)]
    assert [(name, call) for name, call in found if call[0] in GONE] == []
    assert [(name, call) for name, call in found if call[0] in COPIED and call[1] == "execute"] == []
    assert [(name, call) for name, call in found if call in {("execute", "sql"), ("execute", "table")}] == []


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
