"""A goal that was missed, a scene without any, and one that raised, are no success."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.rounds import Goal
from tests.trust import __main__ as trust
from tests.trust.planted import ELSEWHERE, planted_for

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

    stage(monkeypatch, kills=play)
    assert trust.main() == code
    assert seeds == [7]
    assert outcomes(capsys.readouterr().out) == ["met" if goal.is_met else "MISSED" for goal in goals]


def test_a_scene_that_raises_is_a_goal_missed_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(_seed: int) -> list[Goal]:
        raise TimeoutError("a reader reads no more [secret]")

    stage(monkeypatch, readers=play, kills=lambda _seed: [MET])
    assert trust.main() == 1
    shown = capsys.readouterr()
    assert outcomes(shown.out) == ["MISSED", "met"]
    assert "TimeoutError: a reader reads no more [secret]" in " ".join(shown.out.replace("│", " ").split())
    assert shown.err.startswith("Traceback")


def test_nobody_is_kept_from_stopping_it_and_what_was_played_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(_seed: int) -> list[Goal]:
        raise KeyboardInterrupt

    stage(monkeypatch, readers=lambda _seed: [MET, MISSED], kills=play)
    with pytest.raises(KeyboardInterrupt):
        trust.main()
    told = [line.strip() for line in capsys.readouterr().out.splitlines() if "; wanted" in line]
    assert told == ["met    kills: 200; wanted >= 200", "MISSED rows lost: 1; wanted 0"]


def test_a_scene_that_is_ended_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []

    def play(_seed: int) -> list[Goal]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            return [MET]
        finally:
            cleaned.append("its disks")

    stage(monkeypatch, kills=play)
    before = signal.getsignal(signal.SIGTERM)
    # Where nobody hears the signal, this process goes on to tell of it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as ended:
            trust.main()
        assert (ended.value.code, cleaned) == (143, ["its disks"])
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_each_scene_names_defects_that_were_planted_for_it() -> None:
    assert {scene: bool(planted_for(scene)) for scene in trust.SCENES} == dict.fromkeys(trust.SCENES, True)
    files = {Path(defect.test.partition("::")[0]) for scene in trust.SCENES for defect in planted_for(scene)}
    known = {path for tests in ELSEWHERE.values() for path in map(Path, tests)}
    assert known <= files


def stage(monkeypatch: pytest.MonkeyPatch, **plays: Callable[..., list[Goal]]) -> None:
    """Have these scenes asked for, and played so."""
    scenes = [word for name in plays for word in ("--scene", name)]
    monkeypatch.setattr(sys, "argv", ["trust", *scenes, "--seed", "7"])
    modules = {f"tests.trust.{name}": SimpleNamespace(play=play) for name, play in plays.items()}
    monkeypatch.setattr(trust, "import_module", modules.__getitem__)


def outcomes(shown: str) -> list[str]:
    """What is said of each goal."""
    return [word for word in shown.rpartition("Trust")[2].split() if word in {"met", "MISSED"}]
