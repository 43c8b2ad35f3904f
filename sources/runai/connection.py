"""The connection's settings, from dlt's configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar

from dlt.common.configuration import configspec
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.typing import TSecretStrValue

from sources.runai.client import RunaiClient, utc_now
from sources.runai.credentials import AppToken, BearerToken, ClientCredentials, Credentials
from sources.runai.errors import ConfigurationError
from sources.runai.versions import OLDEST, version_of

# The API is somebody's production service: more requests at once than this are a typing error.
LIMITS = (("concurrency", 1, 64), ("timeout_seconds", 1, 3600), ("max_attempts", 1, 100))


@configspec
class RunaiConnection(BaseConfiguration):
    """Where the control plane is and how to sign in: `[sources.runai]`, or `SOURCES__RUNAI__…` in the environment.

    Either `token`, or `client_id` with `client_secret`, or (2.18 and 2.19) `app_id` with `app_secret`, in this order.
    `ca_bundle`, `client_certificate` and `client_key` are paths of PEM files.
    """

    # A section of its own, not `sections=("sources", "runai")`: dlt would go on looking in `SOURCES__TOKEN` and at last
    # in a bare `TOKEN`, and send away a secret that was meant for somebody else.
    __section__: ClassVar[str] = "runai"

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
            "No credentials: in the environment set SOURCES__RUNAI__CLIENT_ID and SOURCES__RUNAI__CLIENT_SECRET, or "
            "SOURCES__RUNAI__TOKEN; or set client_id and client_secret under [sources.runai] in .dlt/secrets.toml."
        )


def connection(**overrides: object) -> RunaiConnection:
    """Resolve the settings through dlt; overrides that are not None win. ConfigurationError if they cannot be read."""
    explicit = {name: value for name, value in overrides.items() if value is not None}
    try:
        with _untold():
            return resolve_configuration(RunaiConnection(), sections=("sources",), explicit_value=explicit)
    except ConfigurationException as error:
        raise ConfigurationError(f"The settings cannot be read: {' '.join(str(error).split())}") from error


@contextmanager
def _untold() -> Iterator[None]:
    """Keep what is resolved out of the trace that dlt writes to the disk: it leaves out secrets, but not paths."""
    told = get_resolved_traces()
    before = told.logging_enabled
    told.logging_enabled = False
    try:
        yield
    finally:
        told.logging_enabled = before


def connect(
    settings: RunaiConnection | None = None, *, clock: Callable[[], datetime] = utc_now, **overrides: object
) -> RunaiClient:
    """A client for these settings, or for dlt's; ConfigurationError where they cannot work."""
    resolved = connection(**overrides) if settings is None else settings
    for name, lowest, highest in LIMITS:
        if not lowest <= getattr(resolved, name) <= highest:
            raise ConfigurationError(f"{name} must be between {lowest} and {highest}, not {getattr(resolved, name)}.")
    if version_of(resolved.api_version) < OLDEST:
        raise ConfigurationError(
            f"api_version {resolved.api_version} is older than {'.'.join(map(str, OLDEST))}, the oldest that is known; "
            'in TOML it needs quotes, for 2.20 without them is 2.2: api_version = "2.20".'
        )
    return RunaiClient(
        _needed("base_url", resolved.base_url),
        resolved.credentials(),
        concurrency=resolved.concurrency,
        timeout=resolved.timeout_seconds,
        max_attempts=resolved.max_attempts,
        ca_bundle=resolved.ca_bundle,
        client_certificate=resolved.client_certificate,
        client_key=resolved.client_key,
        clock=clock,
        api_version=resolved.api_version,
    )


def _needed(key: str, value: str | None) -> str:
    if not value:
        file = "secrets.toml" if key.endswith("secret") else "config.toml"
        raise ConfigurationError(
            f"{key} is missing: set SOURCES__RUNAI__{key.upper()} in the environment, or {key} under [sources.runai] "
            f"in .dlt/{file}."
        )
    return value
