"""The control plane of a run, and the data directory's bond with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.plane import DEMO, Unconfigured, claim, configured, control_plane
from pipelines.settings import Settings, UsageError


def test_without_configuration_five_lines_say_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    with pytest.raises(Unconfigured) as refused:
        configured()
    lines = str(refused.value).splitlines()
    assert len(lines) == 5
    assert f"{tmp_path}/.dlt/secrets.toml" in lines[0]
    for name in ("BASE_URL", "CLIENT_ID", "CLIENT_SECRET", "TOKEN"):
        assert f"SOURCES__RUNAI__{name}" in str(refused.value)
    assert lines[-1].endswith("python pipelines/pods_pipeline.py --demo")


def test_nothing_is_left_behind_where_nothing_is_configured(tmp_path: Path) -> None:
    with pytest.raises(Unconfigured), control_plane(Settings(data_dir=tmp_path / "data")):
        pytest.fail("there is no control plane")
    assert not (tmp_path / "data").exists()


def test_the_client_takes_the_configured_address_and_binds_the_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", "https://Acme.run.ai/api/v1")
    monkeypatch.setenv("SOURCES__RUNAI__TOKEN", "c4nary")
    settings = Settings(data_dir=tmp_path, concurrency=3)
    with control_plane(settings) as client:
        assert client.concurrency == 3
    assert "acme.run.ai" in (tmp_path / "state" / "origin.json").read_text()
    assert "c4nary" not in (tmp_path / "state" / "origin.json").read_text()
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", "https://other.run.ai")
    with pytest.raises(UsageError, match=r"holds pods of acme\.run\.ai, not pods of other\.run\.ai"):
        control_plane(settings).__enter__()


@pytest.mark.parametrize(
    ("first", "second", "advice"),
    [(DEMO, "acme.run.ai", "remove it, or give another"), ("acme.run.ai", DEMO, "give another --data-dir")],
)
def test_demo_and_tenant_do_not_meet(tmp_path: Path, first: str, second: str, advice: str) -> None:
    settings = Settings(data_dir=tmp_path)
    claim(settings, first)
    claim(settings, first)
    with pytest.raises(UsageError, match=advice):
        claim(settings, second)


def test_a_dry_run_binds_nothing_but_is_refused_all_the_same(tmp_path: Path) -> None:
    dry = Settings(data_dir=tmp_path / "data", dry_run=True)
    claim(dry, DEMO)
    assert not (tmp_path / "data").exists()
    claim(Settings(data_dir=tmp_path / "data"), "acme.run.ai")
    with pytest.raises(UsageError, match="pods of the demo"):
        claim(dry, DEMO)
