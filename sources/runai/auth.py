"""The token that all worker threads share."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn, Protocol, TypeVar

import orjson

from sources.runai.credentials import (
    AppToken,
    BearerToken,
    ClientCredentials,
    Credentials,
    TokenRequest,
    token_requests,
)
from sources.runai.errors import ApiError, BrokenAnswer, ConfigurationError, SignInError, TransientError
from sources.runai.expiry import claimed_expiry, fits_header, lifetime_seconds, renew_at
from sources.runai.redaction import Redactor
from sources.runai.refusals import refusal
from sources.runai.wire import Answer

T = TypeVar("T")


class Exchange(Protocol):
    """Sends a token request until `read` accepts the answer."""

    def __call__(self, request: TokenRequest, read: Callable[[Answer], T]) -> T:
        """Return what `read` returns; retry where it raises a TransientError."""
        ...


class Tokens(Protocol):
    """Where a request gets its bearer token."""

    def token(self) -> str:
        """A token that will be good for the next moments."""
        ...

    def renew(self, rejected: str) -> str:
        """Another token than the one that was answered with 401; SignInError if there is none."""
        ...


def tokens(credentials: Credentials, exchange: Exchange, redactor: Redactor) -> Tokens:
    """The source of tokens for these credentials."""
    if isinstance(credentials, BearerToken):
        return FixedToken(credentials, redactor)
    return SignIn(credentials, exchange, redactor)


class FixedToken:
    """A bearer token as it was given."""

    def __init__(self, credentials: BearerToken, redactor: Redactor) -> None:
        self._token = credentials.token.strip()
        if not fits_header(self._token):
            raise ConfigurationError("The token holds spaces or characters that no token has; copy it again.")
        redactor.learn(self._token)

    def token(self) -> str:
        """The token."""
        return self._token

    def renew(self, rejected: str) -> NoReturn:  # noqa: ARG002 - the protocol's
        """Nothing to renew: SignInError, which says when the token expired if that is known."""
        expires = claimed_expiry(self._token)
        if expires is not None and expires <= time.time():
            when = f"expired at {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M:%S} UTC"
        else:
            when = "is refused: it has expired, was revoked, or belongs to another control plane"
        raise SignInError(
            f"The configured token {when}. Set a new SOURCES__RUNAI__TOKEN, or SOURCES__RUNAI__CLIENT_ID and "
            "SOURCES__RUNAI__CLIENT_SECRET, which renew themselves.",
            status=401,
        )


@dataclass(frozen=True)
class _Issued:
    token: str = field(repr=False)
    renew_at: float


class _NoEndpointError(Exception):
    """This control plane has no such token endpoint."""


class SignIn:
    """Exchanges credentials for tokens: one sign-in for all threads, those that need its token wait for it."""

    def __init__(
        self,
        credentials: ClientCredentials | AppToken,
        exchange: Exchange,
        redactor: Redactor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = token_requests(credentials)
        kind = "APP" if isinstance(credentials, AppToken) else "CLIENT"
        self._settings = f"SOURCES__RUNAI__{kind}_ID and SOURCES__RUNAI__{kind}_SECRET"
        self._exchange = exchange
        self._redact = redactor
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: _Issued | None = None
        self._failure: ApiError | None = None
        self._ended = 0
        redactor.learn(credentials.secret)

    def token(self) -> str:
        """The current token, or a new one if that has less than a minute (or half its life) left."""
        issued = self._issued
        if issued is not None and self._clock() < issued.renew_at:
            return issued.token
        return self._next(issued)

    def renew(self, rejected: str) -> str:
        """A token other than `rejected`: another thread's, if one has signed in meanwhile."""
        issued = self._issued
        if issued is not None and issued.token != rejected:
            return issued.token
        return self._next(issued)

    def _next(self, stale: _Issued | None) -> str:
        seen = self._ended
        with self._lock:
            if self._issued is not None and self._issued is not stale:
                return self._issued.token
            if self._ended != seen and self._failure is not None:
                # This thread waited for a sign-in that failed: refused once for all, not once per thread.
                raise copy.copy(self._failure)
            try:
                self._issued = self._sign_in()
                self._failure = None
            except ApiError as error:
                self._failure = error
                raise
            finally:
                self._ended += 1
            return self._issued.token

    def _sign_in(self) -> _Issued:
        for request in self._requests:
            try:
                issued = self._exchange(request, partial(self._read, request.path))
            except _NoEndpointError:
                continue
            self._requests = (request,)
            return issued
        raise SignInError(
            f"There is no token endpoint at {' or '.join(request.path for request in self._requests)}. "
            "Check that SOURCES__RUNAI__BASE_URL is the address of a Run:ai control plane.",
            status=404,
            path=self._requests[0].path,
        )

    def _read(self, path: str, answer: Answer) -> _Issued:
        if answer.status in {404, 405}:
            raise _NoEndpointError
        if answer.status == 200:
            return self._issue(answer.body, path)
        error = refusal(answer, "POST", path, self._redact)
        if isinstance(error, TransientError) or answer.status < 400:
            raise error
        said = error.message or error.code or "no reason given"
        raise SignInError(
            f"The control plane refuses the credentials ({answer.status}: {said}). Check {self._settings}, and that "
            "the service account is enabled.",
            status=answer.status,
            path=path,
            code=error.code,
            message=error.message,
        )

    def _issue(self, body: bytes, path: str) -> _Issued:
        now = self._clock()
        reply = _json_object(body)
        token = reply.get("accessToken", reply.get("access_token"))
        if not isinstance(token, str) or not fits_header(token):
            raise BrokenAnswer(
                f"The answer of {path} holds no access token. Is SOURCES__RUNAI__BASE_URL the control plane's address?",
                status=200,
                path=path,
            )
        self._redact.learn(token)
        return _Issued(token, renew_at(now, lifetime_seconds(token, reply)))


def _json_object(body: bytes) -> dict[str, object]:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return reply if isinstance(reply, dict) else {}
