"""`python -m tests.readme [--check]`."""

from __future__ import annotations

import difflib
import sys
import tempfile
from pathlib import Path

from tests.readme.page import fences, regenerate
from tests.readme.session import ROOT, Session


def main(arguments: list[str]) -> int:
    """Make the README's generated blocks again, or show what would change; 1 if it is stale."""
    path = ROOT / "README.md"
    before = path.read_text()
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        session = Session(Path(folder).resolve())
        after = regenerate(before, session.makers())
        for code in fences(before, "python"):
            session.python(code)
    if "--check" not in arguments:
        path.write_text(after)
        return 0
    difference = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "README.md", "as it would be", lineterm=""
    )
    print("\n".join(difference) or "README.md shows what the demo does")
    return 0 if after == before else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
