"""`python -m tests.planted`: exit 0 if every planted defect is caught.

Words narrow it to parts, or names that hold one. `--green` says that the suite has just passed on this very tree, as in
the gate; without it the named tests are first run without any defect.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.planted.runner import hunt, load

HERE = Path(__file__).parent


def main(words: list[str]) -> int:
    """Print a line per defect and the count; 1 if one was not caught or there was none."""
    is_green = "--green" in words
    defects = load(HERE, [word for word in words if word != "--green"])
    verdicts = []
    try:
        for verdict in hunt(HERE.parent.parent, defects, is_green=is_green) if defects else ():
            verdicts.append(verdict)
            defect = verdict.defect
            print(f"{defect.part:<12} {defect.name:<64} {verdict.reason} {verdict.seconds:6.1f} s", flush=True)
    except RuntimeError as error:
        print(error, file=sys.stderr)
    for verdict in verdicts:
        if not verdict.caught:
            print(f"{verdict.defect.part}: {verdict.defect.name}: {verdict.reason} by {verdict.defect.test}")
    caught = sum(verdict.caught for verdict in verdicts)
    print(f"{caught} passed, {len(defects) - caught} failed")
    return 0 if caught == len(defects) > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
