"""A page that does not show what the demo does is stale, and is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.readme import __main__ as command
from tests.readme.session import ROOT

PAGES = ("one.md", "two.md")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pages, of which the second is stale."""
    for page in PAGES:
        (tmp_path / page).write_text("as it is\n")
    made = {"one.md": "as it is\n", "two.md": "as it would be\n"}
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "PAGES", PAGES)
    monkeypatch.setattr(command, "_made_again", lambda *_: made)
    return tmp_path


def test_a_stale_page_fails_the_check_and_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "one.md shows what the demo does" in said
    assert "-as it is\n+as it would be" in said
    assert (folder / "two.md").read_text() == "as it is\n"


def test_pages_are_written_and_then_pass(folder: Path) -> None:
    assert command.main([]) == 0
    assert (folder / "two.md").read_text() == "as it would be\n"
    assert command.main(["--check"]) == 0


def test_the_pages_are_there_and_have_something_to_make() -> None:
    pages = [(ROOT / page).read_text() for page in ("README.md", "docs/tables.md", "docs/queries.md", "docs/bi.md")]
    assert all("<!-- generated: " in page for page in pages)
