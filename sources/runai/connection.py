"""The connection's settings, from dlt's configuration."""

from __future__ import annotations

from dlt.common.configuration import configspec
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from sources.runai.auth import AppToken, BearerToken, ClientCredentials, Credentials
from sources.runai.client import RunaiClient
from sources.runai.errors import ConfigurationError

SECTIONS = ("sources", "runai")


@configspec
class RunaiConnection(BaseConfiguration):
    """Where the control plane is and how to sign in: `[sources.runai]`, or `SOURCES__RUNAI__…` in the environment.

    Either `token`, or `client_id` with `client_secret`, or (2.18 and 2.19) `app_id` with `app_secret`, in this order.
    `ca_bundle`, `client_certificate` and `client_key` are paths of PEM files.
    """

    base_url: str | None = None
    token: TSecretStrValue | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None
    app_id: str | None = None
    app_secret: TSecretStrValue | None = None
    ca_bundle: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    concurrency: int = 8
    timeout_seconds: float = 60.0
    max_attempts: int = 6
    api_version: str = "2.21"
    cluster_pods: bool = False

    def credentials(self) -> Credentials:
        """The first complete way to sign in; ConfigurationError that names what is missing."""
        if self.token:
            return BearerToken(self.token)
        if self.client_id or self.client_secret:
            return ClientCredentials(_needed("client_id", self.client_id), _needed("client_secret", self.client_secret))
        if self.app_id or self.app_secret:
            return AppToken(_needed("app_id", self.app_id), _needed("app_secret", self.app_secret))
        raise ConfigurationError(
            "No credentials: set SOURCES__RUNAI__CLIENT_ID and SOURCES__RUNAI__CLIENT_SECRET (or SOURCES__RUNAI__TOKEN) in "
            "the environment, or client_id and client_secret under [sources.runai] in .dlt/secrets.toml."
        )


def connection(**overrides: object) -> RunaiConnection:
    """Resolve the settings through dlt; overrides that are not None win."""
    explicit = {name: value for name, value in overrides.items() if value is not None}
    return resolve_configuration(RunaiConnection(), sections=SECTIONS, explicit_value=explicit)


def connect(settings: RunaiConnection | None = None, **overrides: object) -> RunaiClient:
    """A client for these settings, or for dlt's; ConfigurationError where they cannot work."""
    resolved = settings or connection(**overrides)
    return RunaiClient(
        _needed("base_url", resolved.base_url),
        resolved.credentials(),
        concurrency=resolved.concurrency,
        timeout=resolved.timeout_seconds,
        max_attempts=resolved.max_attempts,
        ca_bundle=resolved.ca_bundle,
        client_certificate=resolved.client_certificate,
        client_key=resolved.client_key,
    )


def _needed(key: str, value: str | None) -> str:
    if not value:
        file = "secrets.toml" if key.endswith("secret") else "config.toml"
        raise ConfigurationError(
            f"{key} is missing: set SOURCES__RUNAI__{key.upper()} in the environment, or {key} under [sources.runai] "
            f"in .dlt/{file}."
        )
    return value
