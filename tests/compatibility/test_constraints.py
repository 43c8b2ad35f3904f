"""The oldest versions are those that the project says it allows."""

from __future__ import annotations

import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.compatibility.__main__ import ROOT, asked_for, held_back, lowest, main, newest, pinned

PROJECT = ROOT / "pyproject.toml"


def test_everything_that_users_install_is_held_at_its_oldest() -> None:
    held = {held.name: held for held in map(Requirement, lowest(PROJECT))}
    asked = [Requirement(line) for line in tomllib.loads(PROJECT.read_text())["project"]["dependencies"]]
    assert {one.name for one in asked} | {"pandas", "altair", "uvicorn"} <= {*held}
    assert not {"pytest", "ruff"} & {*held}
    assert str(held["duckdb"].specifier) == "==1.4.3"
    # What is held is allowed, and nothing older is.
    for one in asked:
        (bound,) = held[one.name].specifier
        if not bound.version.endswith(".*"):
            assert Version(bound.version) in one.specifier
            assert Version("0.0.1") not in one.specifier


def test_the_oldest_are_new_enough_for_dlt() -> None:
    """dlt is held to one release, so that what it asks for here is what it asks for with the oldest of the others."""
    held = {held.name: held for held in map(Requirement, lowest(PROJECT))}
    oldest_python = {"python_version": "3.11", "extra": ""}
    asked = [one for one in map(Requirement, requires("dlt") or ()) if one.name in held]
    asked = [one for one in asked if one.marker is None or one.marker.evaluate(oldest_python)]
    assert {one.name for one in asked} >= {"orjson", "sqlglot", "tenacity"}
    for one in asked:
        (bound,) = held[one.name].specifier
        assert Version(bound.version) in one.specifier, str(one)


def test_an_upper_bound_is_no_lower_one(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\ndependencies = ["a<3,>=1.5,!=1.6"]\n[project.optional-dependencies]\nb = ["c==2.*"]\n'
    )
    assert list(lowest(project)) == ["a==1.5", "c==2.*"]
    assert list(newest(project)) == []


def test_what_takes_long_to_find_is_pinned_and_nothing_that_was_asked_for() -> None:
    held = [Requirement(line) for line in pinned(ROOT / "requirements.txt")]
    assert {one.name for one in held} == {"aiobotocore", "botocore"}
    assert {one.name for one in held}.isdisjoint(one.name for one in asked_for(PROJECT))


def test_a_major_version_that_was_not_reached_is_told() -> None:
    offered = {"duckdb": ["1.5.6", "2.0.1", "3.0.0"], "dlt": ["1.31.1", "2.0.0"], "PyJWT": ["2.13.0"]}
    asked = [Requirement(line) for line in ("duckdb>=1.4.3,<3", "dlt[duckdb]==1.31.*", "PyJWT>=2.10")]
    behind = {"duckdb": "1.5.6", "dlt": "1.31.0", "pyjwt": "2.10.0"}
    assert list(held_back(asked, behind, offered.__getitem__)) == ["duckdb: 1.5.6, and 2.0.1 is allowed"]
    assert list(held_back(asked, behind | {"duckdb": "2.0.0"}, offered.__getitem__)) == []


def test_a_registry_that_names_nothing_proves_nothing() -> None:
    asked = [Requirement("duckdb>=1.4.3,<3")]
    told = held_back(asked, {"duckdb": "2.0.1"}, lambda _name: ())
    assert list(told) == ["duckdb: 2.0.1, and nothing on the registry is allowed"]


@pytest.mark.parametrize("words", [[], ["oldest"]])
def test_who_names_no_environment_is_told_how(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "python -m tests.compatibility lowest" in capsys.readouterr().err
