"""Signing in: tokens are issued, remembered and checked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import jwt
import orjson

from simulator.instants import SECOND
from simulator.problems import Problem
from simulator.service.exchange import Call, Reply

if TYPE_CHECKING:
    from simulator.clock import Clock
    from simulator.contract import Contract
    from simulator.switches import Switches

V1: Final = "/api/v1/token"
V2: Final = "/api/v2/token"
_SIGNATURE: Final = "a simulator signs with no secret at all, 32 bytes long"
_KEYS: Final = {"client_credentials": ("clientid", "clientsecret"), "app_token": ("appid", "appsecret")}


class TokenDesk:
    """Issues tokens for one pair of credentials; a service account and an older application share them."""

    def __init__(self, contract: Contract, clock: Clock, client_id: str, client_secret: str) -> None:
        self.contract, self._clock = contract, clock
        self._credentials = (client_id, client_secret)
        self._expiries: dict[str, float] = {}
        self._issued = 0

    def issue(self, switches: Switches, lifetime: float | None = None) -> str:
        """A new token, valid for `lifetime` seconds, by default the switch's."""
        self._issued += 1
        expiry = self._now(switches) + (switches.token_lifetime if lifetime is None else lifetime)
        token = f"opaque-{self._issued:08d}-{self._credentials[0]}"
        if switches.token_style == "jwt":
            claims = {"sub": self._credentials[0], "jti": str(self._issued), "exp": int(expiry)}
            token = jwt.encode(claims, _SIGNATURE, algorithm="HS256")
        self._expiries[token] = expiry
        return token

    def expire_all(self) -> None:
        """Let no token that was issued be valid any more."""
        self._expiries.clear()

    def check(self, headers: dict[str, str], switches: Switches) -> None:
        """A `Problem` of status 401 unless the request bears a token that is valid now."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._expiries:
            raise Problem(401, "Issuer is not familiar.")
        if self._expiries[token] <= self._now(switches):
            raise Problem(401, "Issuer is not familiar.", "the token has expired")

    def grant(self, call: Call, switches: Switches) -> Reply:
        """The answer of a token endpoint."""
        if switches.token_paths is not None and call.path not in switches.token_paths:
            raise Problem(404, "Resource id not found.", f"no such path: {call.path}")
        return self._grant_v2(call, switches) if call.path == V2 else self._grant_v1(call, switches)

    def _grant_v1(self, call: Call, switches: Switches) -> Reply:
        # Servers read the keys whatever their case: clients in the field write clientID, clientId and ClientId.
        given = {str(key).lower(): value for key, value in _object(call.body).items()}
        grant = given.get("granttype")
        allowed = switches.grants or self.contract.schema("TokenRequest")["properties"]["grantType"]["enum"]
        if grant not in allowed or grant not in _KEYS:
            raise Problem(400, "Bad request", f"grant type {grant!r} is not supported")
        if tuple(given.get(key) for key in _KEYS[grant]) != self._credentials:
            raise Problem(switches.refusal_status, "Invalid client credentials.")
        answer: dict[str, Any] = {"accessToken": self.issue(switches)}
        tells = self.contract.has("Token", "expiresIn") if switches.tells_expiry is None else switches.tells_expiry
        return Reply.of(answer | ({"expiresIn": int(switches.token_lifetime)} if tells else {}))

    def _grant_v2(self, call: Call, switches: Switches) -> Reply:
        is_form = call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        given = dict(parse_qsl(call.body.decode(errors="replace"))) if is_form else {}
        if "grant_type" not in given:
            return Reply.of({"error": "invalid_request", "error_description": "grant_type is missing"}, 400)
        if given["grant_type"] != "client_credentials":
            return Reply.of({"error": "unsupported_grant_type"}, 400)
        if (given.get("client_id"), given.get("client_secret")) != self._credentials:
            refusal = {"error": "invalid_client", "error_description": "Client authentication failed"}
            return Reply.of(refusal, switches.refusal_status)
        answer = {"access_token": self.issue(switches), "token_type": "Bearer"}
        tells = switches.tells_expiry is not False
        return Reply.of(answer | ({"expires_in": int(switches.token_lifetime)} if tells else {}))

    def _now(self, switches: Switches) -> float:
        return time.time() if switches.token_clock == "real" else self._clock.micros() / SECOND


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise Problem(400, "Bad request", "the body is no JSON object")
    return given
