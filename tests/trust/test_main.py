"""A goal that was missed, and a scene without any, are no success."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from bench.rounds import Goal
from tests.trust import __main__ as trust

MET = Goal("kills", "200", ">= 200", is_met=True)
MISSED = Goal("rows lost", "1", "0", is_met=False)


@pytest.mark.parametrize(("goals", "code"), [([MET], 0), ([MET, MISSED], 1), ([], 1)])
def test_every_goal_has_to_be_met(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], goals: list[Goal], code: int
) -> None:
    seeds = []

    def play(seed: int, **_: object) -> list[Goal]:
        seeds.append(seed)
        return goals

    monkeypatch.setattr(sys, "argv", ["trust", "--scene", "kills", "--seed", "7"])
    monkeypatch.setattr(trust, "import_module", lambda name: {"tests.trust.kills": SimpleNamespace(play=play)}[name])
    assert trust.main() == code
    assert seeds == [7]
    shown = capsys.readouterr().out
    assert [word for word in shown.split() if word in {"met", "MISSED"}] == [
        "met" if goal.is_met else "MISSED" for goal in goals
    ]
