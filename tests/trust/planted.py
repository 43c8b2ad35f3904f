"""Every planted defect is caught."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.rounds import Goal
from tests.planted.runner import Defect, hunt, load

TESTS = Path(__file__).parent.parent
ELSEWHERE: Final = {
    "soak": (
        *("tests/trust/test_verdict.py", "tests/trust/test_had.py", "tests/trust/test_hidden.py"),
        *("tests/behaviour/test_columns.py", "tests/transforms/test_lifecycle.py"),
        *("tests/behaviour/test_nothing_is_missed.py", "tests/behaviour/test_metrics.py"),
    ),
    "kills": ("tests/behaviour/test_crashes.py", "tests/pipelines/test_lock.py", "tests/pipelines/test_stopping.py"),
    "faults": ("tests/sources/test_retries.py", "tests/sources/test_tls.py", "tests/sources/test_transport.py"),
    "payloads": (
        "tests/trust/test_moves.py",
        "tests/sources/test_json_body.py",
        "tests/sources/reading/test_payload.py",
    ),
    "secrets": ("tests/sources/test_secrets.py", "tests/pipelines/test_logs.py"),
    "readers": ("tests/transforms/test_readers.py",),
    "planted": ("tests/planted/test_runner.py",),
}
"""By scene, tests of what it promises beside its own sample in `tests/trust/test_<scene>.py`."""


def play(_seed: int) -> list[Goal]:
    """Plant each defect in turn, and count those that a test noticed."""
    defects = load(TESTS / "planted")
    missed = [verdict for verdict in hunt(TESTS.parent, defects) if not verdict.caught]
    for verdict in missed:
        print(f"{verdict.defect.part}: {verdict.defect.name}: {verdict.reason}")
    caught = len(defects) - len(missed)
    return [Goal("planted defects that were caught", str(caught), str(len(defects)), is_met=0 < caught == len(defects))]


def planted_for(scene: str) -> list[Defect]:
    """The defects that tests of a scene's promise must catch; all are among those of `play`."""
    tests = (f"tests/trust/test_{scene}.py", *ELSEWHERE[scene])
    return [defect for defect in load(TESTS / "planted") if defect.test.partition("::")[0] in tests]
