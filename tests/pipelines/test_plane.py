"""The control plane of a run, and the data directory's bond with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.plane import DEMO, Unconfigured, claim, configured, control_plane
from pipelines.settings import Settings, UsageError, prepare


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


def test_the_client_takes_the_configured_address_and_its_host_is_the_owner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", "https://Acme.run.ai/api/v1")
    monkeypatch.setenv("SOURCES__RUNAI__TOKEN", "c4nary")
    with control_plane(Settings(data_dir=tmp_path / "data", concurrency=3)) as plane:
        assert (plane.owner, plane.client.concurrency) == ("acme.run.ai", 3)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("first", "second", "advice"),
    [(DEMO, "acme.run.ai", "remove it, or give another"), ("acme.run.ai", DEMO, "give another --data-dir")],
)
def test_demo_and_tenant_do_not_meet(tmp_path: Path, first: str, second: str, advice: str) -> None:
    settings = Settings(data_dir=tmp_path)
    prepare(settings)
    claim(settings, first, holds_pods=False)
    claim(settings, first, holds_pods=True)
    with pytest.raises(UsageError, match=f"holds pods of .*{advice}"):
        claim(settings, second, holds_pods=True)


def test_a_directory_without_pods_is_nobodys(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    prepare(settings)
    claim(settings, "my-compny.run.ai", holds_pods=False)
    claim(settings, "my-company.run.ai", holds_pods=False)
    with pytest.raises(UsageError, match="holds pods of my-company"):
        claim(settings, DEMO, holds_pods=True)


def test_a_dry_run_binds_nothing_but_is_refused_all_the_same(tmp_path: Path) -> None:
    dry = Settings(data_dir=tmp_path / "data", dry_run=True)
    claim(dry, DEMO, holds_pods=False)
    assert not (tmp_path / "data").exists()
    bound = Settings(data_dir=tmp_path / "data")
    prepare(bound)
    claim(bound, "acme.run.ai", holds_pods=False)
    with pytest.raises(UsageError, match="pods of the demo"):
        claim(dry, DEMO, holds_pods=True)
