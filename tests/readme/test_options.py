"""Every command and option of the command line is in the README, and the README names no other."""

from __future__ import annotations

import re

import pytest

from pipelines.cli import app, execute
from tests.readme.session import ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = [name for name in app if not name.startswith("-")]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# Of other tools that the README calls.
FOREIGN = {"--switch", "--help", "--version"}


def options(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    assert execute([command, "--help"]) == 0
    return set(OPTION.findall(capsys.readouterr().out)) - FOREIGN


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_and_its_options_are_documented(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"`{command}`" in README
    missing = {option for option in options(command, capsys) if f"`{option}" not in README}
    assert missing == set()


def test_no_option_is_documented_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    known = {option for command in COMMANDS for option in options(command, capsys)}
    assert set(OPTION.findall(README)) - known - FOREIGN == set()
