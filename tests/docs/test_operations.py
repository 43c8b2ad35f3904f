"""The runbook has every message of the program, and none that the program does not have."""

from __future__ import annotations

import re
from functools import cache

import pytest

from pipelines import cli
from pipelines.failures import FAILED, LOCKED, STALE, USAGE
from pipelines.settings import ROOT
from tests.docs.messages import REFUSED, ROOMS, messages, of_command_line

RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
MESSAGES = messages()
ROWS = re.findall(r"^\| (.+) \| .*\|$", RUNBOOK.partition("## Messages")[2], re.MULTILINE)


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


@cache
def said_in_code() -> str:
    """All of the code, the texts in it put together that stand in several lines, and what the command line says."""
    files = [path for room in ROOMS for kind in ("*.py", "*.sql") for path in sorted((ROOT / room).rglob(kind))]
    texts = [re.sub(r"[\"']\s*\n\s*f?[\"']", "", path.read_text()) for path in files]
    return plain("\n".join([*texts, *of_command_line().values()]))


def test_messages_are_found() -> None:
    assert len(MESSAGES) > 140
    # Whole, for they are said by no call that has a name.
    assert {place.split()[0] for place in MESSAGES if ".py " in place} == {
        *("pipelines/check.py", "pipelines/status.py"),
        "pipelines/cli.py",
    }


def test_the_command_line_refuses_each_kind_of_call_in_words_of_its_own() -> None:
    assert tuple(of_command_line()) == REFUSED
    assert len({MESSAGES[f"pipelines/cli.py {arguments}"] for arguments in REFUSED}) == len(REFUSED)


@pytest.mark.parametrize("place", MESSAGES)
def test_every_message_is_in_the_runbook(place: str) -> None:
    assert plain(MESSAGES[place]) in plain(RUNBOOK)


@pytest.mark.parametrize("row", [row for row in ROWS if row not in ("message", "---|---")])
def test_the_runbook_has_no_message_that_nobody_says(row: str) -> None:
    parts = [part.strip(" .;:,()") for part in re.split(r"…| / ", plain(row))]
    assert max(parts, key=len) in said_in_code()


def test_no_row_leaves_open_what_to_do() -> None:
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in RUNBOOK.splitlines() if line[:1] == "|"]
    assert len(cells) > 150
    assert [row for row in cells if not all(row[1:])] == []


@pytest.mark.parametrize("code", [0, FAILED, USAGE, STALE, LOCKED])
def test_every_exit_code_is_explained(code: int) -> None:
    assert re.search(rf"^\| {code} \|", RUNBOOK, re.MULTILINE)
    assert re.search(rf"\b{code} \w", cli._EXAMPLES)
