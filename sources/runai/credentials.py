"""The ways to sign in, and what each sends to which token endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson

V1 = "/api/v1/token"
V2 = "/api/v2/token"


@dataclass(frozen=True)
class BearerToken:
    """A token that somebody else has obtained; it cannot be renewed here."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class ClientCredentials:
    """A service account's id and secret."""

    client_id: str
    client_secret: str = field(repr=False)

    @property
    def secret(self) -> str:
        """What must never be shown."""
        return self.client_secret


@dataclass(frozen=True)
class AppToken:
    """An application's id and secret, the only way in on control planes 2.18 and 2.19."""

    app_id: str
    app_secret: str = field(repr=False)

    @property
    def secret(self) -> str:
        """What must never be shown."""
        return self.app_secret


Credentials = BearerToken | ClientCredentials | AppToken


@dataclass(frozen=True)
class TokenRequest:
    """A POST to a token endpoint."""

    path: str
    content_type: str
    body: bytes = field(repr=False)


def token_requests(credentials: ClientCredentials | AppToken) -> tuple[TokenRequest, ...]:
    """What to send to get a token, newest habit first: servers that lack one endpoint have the other."""
    if isinstance(credentials, AppToken):
        grant = {"grantType": "app_token", "appID": credentials.app_id, "appSecret": credentials.app_secret}
        return (TokenRequest(V1, "application/json", orjson.dumps(grant)),)
    pair = {"clientID": credentials.client_id, "clientSecret": credentials.client_secret}
    form = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    return (
        TokenRequest(V1, "application/json", orjson.dumps({"grantType": "client_credentials", **pair})),
        TokenRequest(
            V2,
            "application/x-www-form-urlencoded",
            urlencode({"grant_type": "client_credentials", **form}).encode(),
        ),
    )
