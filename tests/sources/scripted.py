"""A control plane that answers as it is told, in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import jwt

from sources.runai.client import RunaiClient
from sources.runai.credentials import ClientCredentials, Credentials

HOST = "https://tenant.run.ai"
CREDENTIALS = ClientCredentials("collector", "canary-secret")
Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def token(lifetime: float = 3600, **claims: object) -> str:
    """A signed token that expires in so many seconds."""
    return jwt.encode({"exp": time.time() + lifetime, **claims}, "k" * 32)


def problem(status: int, message: str = "Something went wrong.", **headers: str) -> httpx.Response:
    """The contract's error body."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"code": status, "message": message}, headers=names)


class ScriptedPlane(httpx.BaseTransport):
    """Gives its answers to GETs in turn, the last one for ever; issues `token-1`, `token-2`, … to whoever signs in."""

    def __init__(self, answers: Iterable[Answer] = (), sign_ins: Iterable[Answer] = ()) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = list(answers)
        self._sign_ins = list(sign_ins)
        self._issued = 0
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Record the request and answer it."""
        request.read()
        with self._lock:
            self.requests.append(request)
            answer = self._next_token() if request.method == "POST" else self._next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, httpx.Response):
            return answer(request)
        # A response is read once; the script may give it often.
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def gets(self) -> list[httpx.Request]:
        """The GET requests so far."""
        return [request for request in self.requests if request.method == "GET"]

    @property
    def posts(self) -> list[httpx.Request]:
        """The sign-ins so far."""
        return [request for request in self.requests if request.method == "POST"]

    def bearers(self) -> list[str]:
        """The tokens of the GET requests so far."""
        return [request.headers["authorization"].removeprefix("Bearer ") for request in self.gets]

    def _next_token(self) -> Answer:
        if self._sign_ins:
            return self._next(self._sign_ins)
        self._issued += 1
        return httpx.Response(200, json={"accessToken": f"token-{self._issued}"})

    @staticmethod
    def _next(script: list[Answer]) -> Answer:
        if not script:
            return httpx.Response(200, json={"pods": []})
        return script.pop(0) if len(script) > 1 else script[0]


def client(plane: httpx.BaseTransport, credentials: Credentials = CREDENTIALS, **options: Any) -> RunaiClient:
    """A client of a scripted control plane, which waits for nothing."""
    options.setdefault("sleep", lambda _seconds: None)
    return RunaiClient(HOST, credentials, transport=plane, **options)
