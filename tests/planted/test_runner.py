"""The hunt itself can fail: what does no harm, or what stops a test from running, is not called caught."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.planted import __main__ as planted
from tests.planted.runner import Defect, Verdict, _judge, bench, hunt, load, plant

CODE = "def double(n):  # double\n    return n * 2  # twice\n"
TESTS = """
import os
import signal

from house import double

def test_double():
    assert double(2) == 4

def test_red():
    assert double(2) == 5

def test_dies_once():
    try:
        open("died", "x")
    except FileExistsError:
        assert double(2) == 4
    else:
        os.kill(os.getpid(), signal.SIGKILL)

def test_tells_its_folder(tmp_path):
    assert str(tmp_path) == ""

def test_looks_the_second_time():
    try:
        open("looked", "x")
    except FileExistsError:
        assert double(2) == 4
"""
GREEN = "tests/test_house.py::test_double"

CASES = {
    "a wrong result": ("n * 2", "n * 3", GREEN, "caught"),
    "an inert change": ("# twice", "# two times", GREEN, "NOT caught"),
    "a broken file": ("return", "retrun", GREEN, "pytest ended with 4"),
    "a test that is not there": ("n * 2", "n * 3", "tests/test_house.py::test_gone", "pytest ended with 4"),
    "text that is not there": ("n * 9", "n", GREEN, "`find` occurs 0 times"),
    "text that is there twice": ("double", "triple", "", "`find` occurs 2 times"),
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The small tree needs no plugin, and they are most of the time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "__init__.py").write_text(CODE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_house.py").write_text(TESTS)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)  # noqa: S607
    return tmp_path


def defect(find: str, replace: str, test: str = GREEN) -> Defect:
    return Defect("house", "a defect", "house/__init__.py", find, replace, test)


@pytest.mark.parametrize("case", CASES)
def test_only_a_test_that_ran_and_failed_has_caught_it(tree: Path, case: str) -> None:
    find, replace, test, reason = CASES[case]
    with bench(tree, ["pytest"]) as on:
        found = plant(on, defect(find, replace, test))
    assert found.reason.startswith(reason)
    assert found.caught == (case == "a wrong result")
    assert (tree / "house" / "__init__.py").read_text() == CODE


@pytest.mark.parametrize(("replace", "reason"), [("n * 3", "caught"), ("n * 2 + 0", "NOT caught")])
def test_a_test_that_died_is_run_once_more(tree: Path, replace: str, reason: str) -> None:
    with bench(tree, ["pytest"]) as on:
        found = plant(on, defect("n * 2", replace, "tests/test_house.py::test_dies_once"))
    assert (found.caught, found.reason) == (reason == "caught", reason)


def test_nobody_clears_away_what_the_tests_of_another_copy_write(tree: Path) -> None:
    with bench(tree, ["pytest"]) as one, bench(tree, ["pytest"]) as other:
        told = [on.pytest(["tests/test_house.py::test_tells_its_folder"])[1] for on in (one, other)]
    places = {re.findall(r"\S*/planted-scratch-\w+/", text)[0] for text in told}
    assert len(places) == 2
    assert not any(Path(place.strip("'")).exists() for place in places)


def test_a_test_that_did_not_notice_gets_no_second_chance(tree: Path) -> None:
    with bench(tree, ["pytest"]) as on:
        found = plant(on, defect("n * 2", "n * 3", "tests/test_house.py::test_looks_the_second_time"))
    assert (found.caught, found.reason) == (False, "NOT caught")


def test_what_was_not_caught_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = [
        Verdict(defect("a", "b"), caught=True, reason="caught"),
        Verdict(defect("c", "d"), caught=False, reason="?"),
    ]
    monkeypatch.setattr(planted, "load", lambda *_: [verdict.defect for verdict in verdicts])
    monkeypatch.setattr(planted, "hunt", lambda *_, **__: verdicts)
    assert planted.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [f"house: a defect: ? by {GREEN}", "1 passed, 1 failed"]


def test_defects_go_into_copies_and_leave_the_tree_alone(tree: Path) -> None:
    defects = [defect("n * 2", "n * 3"), defect("# twice", "# two times"), defect("n * 2", "n + 1")]
    assert [found.caught for found in hunt(tree, defects, slow=["pytest"])] == [True, False, True]
    assert (tree / "house" / "__init__.py").read_text() == CODE


def test_a_test_that_is_red_anyway_proves_nothing(tree: Path) -> None:
    with pytest.raises(RuntimeError, match="red without any defect"):
        list(hunt(tree, [defect("n * 2", "n * 3", "tests/test_house.py::test_red")], slow=["pytest"]))


def test_a_package_from_elsewhere_is_not_mistaken_for_the_copy(tree: Path) -> None:
    (tree / "sys").mkdir()
    (tree / "sys" / "__init__.py").write_text("")
    with pytest.raises(RuntimeError, match="tests would import built-in, not the copy"):
        list(hunt(tree, [defect("n * 2", "n * 3")], slow=["pytest"]))


def test_lists_are_read_by_part_and_word(tmp_path: Path) -> None:
    entry = {"name": "swaps a sign", "file": "a.py", "find": "+", "replace": "-", "test": "t"}
    (tmp_path / "client.json").write_text(json.dumps([entry]))
    (tmp_path / "reading.json").write_text(json.dumps([entry | {"name": "drops a page"}]))
    assert [d.part for d in load(tmp_path)] == ["client", "reading"]
    assert [d.part for d in load(tmp_path, ["client"])] == ["client"]
    assert [d.part for d in load(tmp_path, ["page"])] == ["reading"]


@pytest.mark.parametrize(
    ("code", "output", "caught"),
    [
        (1, "F\n1 failed, 2 passed in 0.10s\n", True),
        (1, "F\n===== 1 failed in 61.00s (0:01:01) =====\nException ignored in: <socket.socket>\n", True),
        (1, "1 error in 0.10s\n", False),
        (1, "AssertionError: 1 failed\n1 error in 0.10s\n", False),
        (0, "1 passed in 0.10s\n", False),
        (3, "1 failed in 0.10s\n", False),
    ],
)
def test_only_a_test_that_ran_and_failed_has_noticed(code: int, output: str, caught: bool) -> None:
    assert _judge(code, output)[0] is caught
