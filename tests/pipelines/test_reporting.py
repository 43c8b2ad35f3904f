"""How answers are given: what the configuration may ask for, and what is refused in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.failures import USAGE, explain
from pipelines.reporting import reporting
from pipelines.settings import UsageError
from transforms import RateCard, Thresholds
from transforms.database import HERE
from transforms.thresholds import DEFAULT


def test_days_are_those_of_utc_and_thresholds_ours_where_nothing_is_said() -> None:
    found = reporting()
    assert (found.time_zone, found.thresholds, found.rate_card) == ("UTC", Thresholds.load(), RateCard())


def test_the_environment_names_all(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(DEFAULT.read_text(encoding="utf-8").replace('"build", ', ""), encoding="utf-8")
    os.environ |= {"TRANSFORMS__TIME_ZONE": "Asia/Kathmandu", "TRANSFORMS__THRESHOLDS": str(mine)}
    os.environ["TRANSFORMS__RATE_CARD"] = str(HERE / "rate_card.example.csv")
    found = reporting()
    assert found.time_zone == "Asia/Kathmandu"
    assert found.thresholds.interactive_priority_classes == ("interactive-preemptible",)
    assert len(found.rate_card.rates) == 5


def test_a_relative_path_begins_where_the_configuration_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rates.csv").write_text((HERE / "rate_card.example.csv").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    monkeypatch.chdir("/")
    monkeypatch.setenv("TRANSFORMS__RATE_CARD", "rates.csv")
    assert len(reporting().rate_card.rates) == 5


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TIME_ZONE", "Europe/Berlim", "[transforms] time_zone: unknown time zone 'Europe/Berlim': "),
        ("THRESHOLDS", "nowhere.toml", "[transforms] thresholds: HOME/nowhere.toml cannot be read: "),
        ("RATE_CARD", "/nowhere.csv", "[transforms] rate_card: /nowhere.csv cannot be read: "),
        ("RATE_CARD", "~nobody-here/a.csv", "[transforms] rate_card: ~nobody-here/a.csv: there is no such user's home"),
    ],
)
def test_what_cannot_work_is_refused(name: str, value: str, said: str) -> None:
    os.environ[f"TRANSFORMS__{name}"] = value
    with pytest.raises(UsageError) as caught:
        reporting()
    failure = explain(caught.value)
    assert failure.code == USAGE
    # Of every worker another: no test may be named by it.
    assert failure.sentence.startswith(said.replace("HOME", os.environ["DLT_PROJECT_DIR"]))
