"""Every planted defect is caught."""

from __future__ import annotations

from pathlib import Path

from bench.rounds import Goal
from tests.planted.runner import hunt, load

TESTS = Path(__file__).parent.parent


def play(_seed: int) -> list[Goal]:
    """Plant each defect in turn, and count those that a test noticed."""
    defects = load(TESTS / "planted")
    missed = [verdict for verdict in hunt(TESTS.parent, defects) if not verdict.caught]
    for verdict in missed:
        print(f"{verdict.defect.part}: {verdict.defect.name}: {verdict.reason}")
    caught = len(defects) - len(missed)
    return [Goal("planted defects that were caught", str(caught), str(len(defects)), is_met=not missed)]
