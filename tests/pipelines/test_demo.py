"""The demo's clock: three days back at first, six hours further with every run, never beyond the present."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.demo import DemoClock, demo_plane
from pipelines.settings import Settings
from sources.runai.client import Reply

NOW = datetime(2026, 3, 4, 10, 31, 7, tzinfo=UTC)


def test_the_world_is_first_seen_three_days_ago() -> None:
    assert DemoClock.begin(NOW).at == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_it_moves_six_hours_until_it_reaches_the_present() -> None:
    clock, seen = DemoClock.begin(NOW), []
    for _ in range(14):
        clock = clock.moved_on(NOW)
        seen.append(clock.at)
    assert seen[0] == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert seen[11:] == [datetime(2026, 3, 4, 10, tzinfo=UTC), NOW, NOW]


def test_it_never_moves_back() -> None:
    clock = DemoClock(NOW, NOW)
    assert clock.moved_on(NOW - timedelta(days=1)).at == NOW


def kept(data_dir: Path) -> dict[str, str]:
    text: dict[str, str] = json.loads((data_dir / "state" / "demo.json").read_text())
    return text


def test_the_demo_signs_in_over_http_and_moves_on_when_it_succeeds(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, demo=True)
    with demo_plane(settings) as client:
        first = client.clock()
        reply: Reply[dict[str, int]] = client.get("/api/v1/workloads/pods/count")
        assert client.stats.snapshot().sign_ins == 1
    assert 300 < reply.body["count"] < 1500
    with demo_plane(settings) as client:
        assert client.clock() - first == timedelta(hours=6)
        address = client.base_url
    assert kept(tmp_path)["began"] == first.isoformat().replace("+00:00", "Z")
    assert address.startswith("http://127.0.0.1:")


def test_the_world_stands_still_when_the_run_failed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, demo=True)
    with demo_plane(settings):
        pass
    before = kept(tmp_path)
    with pytest.raises(ZeroDivisionError), demo_plane(settings):
        raise ZeroDivisionError
    assert kept(tmp_path) == before


def test_a_first_demo_that_fails_begins_no_second_world(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, demo=True)
    with pytest.raises(ZeroDivisionError), demo_plane(settings):
        raise ZeroDivisionError
    began = kept(tmp_path)["began"]
    with demo_plane(settings) as client:
        assert client.clock().isoformat() == began.replace("Z", "+00:00")
    assert kept(tmp_path)["began"] == began


def test_a_dry_run_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo_plane(Settings(data_dir=tmp_path / "data", demo=True, dry_run=True)):
        pass
    assert not (tmp_path / "data").exists()
