"""`python -m tests.readme [--check]`."""

from __future__ import annotations

import difflib
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.readme.page import fences, regenerate
from tests.readme.session import ROOT, Session

# The README comes first: it is what runs the demo.
PAGES: Final = ("README.md", "docs/tables.md", "docs/queries.md", "docs/bi.md")


def main(arguments: list[str]) -> int:
    """Make the generated blocks of every page again, or show what would change; 1 if one is stale."""
    before = {page: (ROOT / page).read_text() for page in PAGES}
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        after = _made_again(before, Session(Path(folder).resolve()))
    if "--check" not in arguments:
        for page, text in after.items():
            (ROOT / page).write_text(text)
        return 0
    for page, text in before.items():
        difference = difflib.unified_diff(
            text.splitlines(), after[page].splitlines(), page, "as it would be", lineterm=""
        )
        print("\n".join(difference) or f"{page} shows what the demo does")
    return 0 if after == before else 1


def _made_again(pages: dict[str, str], session: Session) -> dict[str, str]:
    """The pages in order, each run through the session; its Python is run too."""
    made = {}
    for page, text in pages.items():
        made[page] = regenerate(text, session.makers())
        for code in fences(text, "python"):
            session.python(code)
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
