"""The settings come from dlt, from its places only, and every gap has a sentence."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from dlt.common.configuration.utils import get_resolved_traces

from sources.runai.connection import LIMITS, RunaiConnection, connect, connection
from sources.runai.credentials import AppToken, BearerToken, ClientCredentials
from sources.runai.errors import ConfigurationError

ROOT = Path(__file__).parent.parent.parent
URL = "https://tenant.run.ai"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account in the environment."""
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", URL)
    monkeypatch.setenv("SOURCES__RUNAI__CLIENT_ID", "collector")
    monkeypatch.setenv("SOURCES__RUNAI__CLIENT_SECRET", "canary-secret")


@pytest.mark.usefixtures("configured")
def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__CONCURRENCY", "3")
    monkeypatch.setenv("SOURCES__RUNAI__CLUSTER_PODS", "true")
    monkeypatch.setenv("SOURCES__RUNAI__API_VERSION", "2.24")
    found = connection()
    assert (found.base_url, found.concurrency, found.cluster_pods, found.api_version) == (URL, 3, True, "2.24")
    assert found.credentials() == ClientCredentials("collector", "canary-secret")


def test_without_configuration_the_defaults_hold() -> None:
    found = connection()
    assert (found.base_url, found.token, found.concurrency, found.api_version) == (None, None, 8, "2.21")
    assert found.cluster_pods is False


@pytest.mark.usefixtures("configured")
def test_arguments_win_unless_they_are_none() -> None:
    found = connection(concurrency=2, base_url=None)
    assert (found.concurrency, found.base_url) == (2, URL)


@pytest.mark.parametrize("name", ["TOKEN", "SOURCES__TOKEN", "BASE_URL", "CLIENT_SECRET", "SOURCES__OTHER__TOKEN"])
def test_a_secret_that_was_meant_for_somebody_else_is_not_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own rules dlt would look for `TOKEN` when it finds no `SOURCES__RUNAI__TOKEN`."""
    monkeypatch.setenv(name, "canary")
    found = connection()
    assert [value for value in (found.token, found.base_url, found.client_secret) if value] == []


@pytest.mark.parametrize(
    ("given", "credentials"),
    [
        ({"token": "t"}, BearerToken("t")),
        ({"client_id": "c", "client_secret": "s"}, ClientCredentials("c", "s")),
        ({"app_id": "a", "app_secret": "s"}, AppToken("a", "s")),
        ({"token": "t", "client_id": "c", "app_id": "a"}, BearerToken("t")),
        ({"client_id": "c", "client_secret": "s", "app_id": "a"}, ClientCredentials("c", "s")),
    ],
)
def test_the_first_complete_way_to_sign_in_is_taken(given: dict[str, str], credentials: object) -> None:
    assert connection(**given).credentials() == credentials


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["SOURCES__RUNAI__CLIENT_ID", "SOURCES__RUNAI__CLIENT_SECRET", "SOURCES__RUNAI__TOKEN", "secrets.toml"]),
        ({"client_id": "c"}, ["client_secret is missing", "SOURCES__RUNAI__CLIENT_SECRET", "secrets.toml"]),
        ({"client_secret": "canary"}, ["client_id is missing", "SOURCES__RUNAI__CLIENT_ID", "config.toml"]),
        ({"app_id": "a"}, ["SOURCES__RUNAI__APP_SECRET"]),
        ({"app_secret": "canary"}, ["SOURCES__RUNAI__APP_ID"]),
    ],
)
def test_what_is_missing_is_named(given: dict[str, str], missing: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connect(connection(base_url=URL, **given))
    assert all(name in str(refused.value) for name in missing)
    assert "canary" not in str(refused.value)


def test_a_missing_address_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"SOURCES__RUNAI__BASE_URL .*/config\.toml"):
        connect(token="t")


@pytest.mark.parametrize("version", ["latest", "2", "", "2.x"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match="api_version must be a version such as"):
        connect(base_url="https://tenant.run.ai", token="t", api_version=version)


def test_a_version_that_toml_has_cut_is_refused() -> None:
    (unquoted,) = tomllib.loads("api_version = 2.20").values()
    with pytest.raises(ConfigurationError, match=r"api_version 2\.2 is older than 2\.18, .* needs quotes"):
        connect(base_url=URL, token="t", api_version=str(unquoted))
    connect(base_url=URL, token="t", api_version="2.18").close()


@pytest.mark.parametrize(("name", "lowest", "highest"), LIMITS)
def test_numbers_out_of_range_are_refused(name: str, lowest: float, highest: float) -> None:
    for good in (lowest, highest):
        connect(connection(base_url=URL, token="t", **{name: good})).close()
    for bad in (lowest - 1, highest + 1):
        with pytest.raises(ConfigurationError, match=f"{name} must be between"):
            connect(connection(base_url=URL, token="t", **{name: bad}))


@pytest.mark.usefixtures("configured")
def test_what_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__CONCURRENCY", "many")
    with pytest.raises(ConfigurationError, match="concurrency"):
        connection()


def test_settings_that_were_resolved_before_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = connection(base_url=URL, token="t", concurrency=5)
    monkeypatch.setenv("SOURCES__RUNAI__BASE_URL", "https://other.run.ai")
    with connect(settings) as client:
        assert (client.base_url, client.concurrency) == (URL, 5)


def test_every_setting_is_shown_in_the_files_that_users_copy() -> None:
    shown = {
        name
        for file in ("config.toml", "example.secrets.toml")
        for name in re.findall(r"^#? ?(\w+) = ", (ROOT / ".dlt" / file).read_text(), re.MULTILINE)
    }
    assert set(RunaiConnection().get_resolvable_fields()) <= shown


def test_the_example_of_secrets_holds_none_and_the_real_one_is_never_committed() -> None:
    example = tomllib.loads((ROOT / ".dlt" / "example.secrets.toml").read_text())
    assert set(example["sources"]["runai"].values()) == {""}
    assert "/.dlt/secrets.toml" in {f"/{line.lstrip('/')}" for line in (ROOT / ".gitignore").read_text().splitlines()}


def test_the_defaults_that_correctness_rests_on_are_committed() -> None:
    config = tomllib.loads((ROOT / ".dlt" / "config.toml").read_text())
    assert config["runtime"]["dlthub_telemetry"] is False
    assert config["load"] == {"delete_completed_jobs": True, "auto_abort_on_terminal_error": True}
    assert config["normalize"]["parquet_normalizer"]["add_dlt_load_id"] is True
    assert config["sources"]["runai"] == {}


def test_settings_are_in_no_trace_of_dlts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes to the disk leaves out secrets, and nothing else."""
    monkeypatch.setenv("SOURCES__RUNAI__CA_BUNDLE", "/home/canary/ca.pem")
    told = get_resolved_traces()
    told.clear()
    assert connection().ca_bundle == "/home/canary/ca.pem"
    assert told.resolved_traces == []
    assert told.logging_enabled
