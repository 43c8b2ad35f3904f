"""The HTTP client: authorised, retried, throttled GET requests, and many of them at once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx

from sources.runai.auth import tokens
from sources.runai.credentials import Credentials, TokenRequest
from sources.runai.errors import RunaiError
from sources.runai.json_body import parse_json
from sources.runai.limits import AdaptiveLimit
from sources.runai.params import query
from sources.runai.redaction import Redactor
from sources.runai.refusals import broken, refusal
from sources.runai.retries import Retries
from sources.runai.stats import Stats
from sources.runai.tls import Tls
from sources.runai.versions import version_of
from sources.runai.wire import Answer, Wire
from sources.runai.workers import Workers

S = TypeVar("S")
T = TypeVar("T")

UNAUTHORIZED = 401
THROTTLED = {429, 503}
PATH = re.compile(r'/[!"$->@-~]*')


def utc_now() -> datetime:
    """The present, by the local clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Reply(Generic[T]):
    """An answer: its status, its parsed body, and when it had arrived (UTC, by the client's clock)."""

    status: int
    body: T
    received_at: datetime


class RunaiClient:
    """A control plane's API, for any number of threads.

    `timeout` is the longest silence in seconds while an answer is read, `max_attempts` bounds how often a request is
    sent while it fails in ways that may pass, `backoff` is the upper bound of the first wait in seconds. `clock` stamps
    answers and nothing else: time-outs and tokens go by the machine's own.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        concurrency: int = 8,
        timeout: float = 60.0,
        ca_bundle: str | None = None,
        client_certificate: str | None = None,
        client_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        max_attempts: int = 6,
        backoff: float = 1.0,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], datetime] = utc_now,
        api_version: str = "2.21",
    ) -> None:
        self.version = version_of(api_version)
        self.clock = clock
        self.concurrency = concurrency
        self.stats = Stats()
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._redact = Redactor()
        self._wire = Wire(
            base_url,
            # One more than there are workers: a sign-in does not queue behind them.
            connections=concurrency + 1,
            read_seconds=timeout,
            tls=Tls(ca_bundle, client_certificate, client_key),
            stats=self.stats,
            transport=transport,
        )
        self._retries = Retries(max_attempts, backoff, self._wait)
        self._limit = AdaptiveLimit(concurrency, sleep=self._wait)
        self._tokens = tokens(credentials, self._exchange, self._redact)
        self._workers = Workers(concurrency)

    @property
    def base_url(self) -> str:
        """The control plane's address, without path and without secrets."""
        return self._wire.origin

    def get(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        parse: Callable[[bytes], T] = parse_json,
        accept: Collection[int] = (200,),
    ) -> Reply[T]:
        """GET a path such as `/api/v1/workloads/pods`, its segments already percent-encoded.

        Parameters: None is left out, lists are joined by commas, instants become UTC with `Z`. A body on which `parse`
        raises ValueError is asked for again. Raises ApiError, of the kind that fits.
        """
        if not PATH.fullmatch(path):
            raise ValueError(f"{path!r} is not a path")
        get = _Get(path, query(params or {}), parse, accept)
        return self._retries(lambda: self._attempt(get), self._count_retry)

    def map(self, call: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        """Yield `call(item)` for all items in order of completion, up to `concurrency` at a time.

        The first error is raised and calls not yet begun are dropped.
        """
        return self._workers.map(call, items)

    def close(self) -> None:
        """Wake whoever waits, let requests under way end, close the connections."""
        self._closed.set()
        self._workers.close()
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RunaiClient({self.base_url!r}, concurrency={self.concurrency})"

    def _attempt(self, get: _Get[T]) -> Reply[T]:
        answer = self._authorized(get)
        received_at = self.clock()
        if answer.status not in get.accept:
            raise refusal(answer, "GET", get.path, self._redact)
        try:
            body = get.parse(answer.body)
        except ValueError as error:
            reason = str(error)
        else:
            return Reply(answer.status, body, received_at)
        # Raised outside the handler: the parser's error would drag the whole body along.
        raise broken(answer, get.path, reason, self._redact)

    def _authorized(self, get: _Get[Any]) -> Answer:
        with self._limit.slot() as seen_in:
            token = self._tokens.token()
            answer = self._send(get, token)
            if answer.status == UNAUTHORIZED and not get.renewed:
                get.renewed = True
                answer = self._send(get, self._tokens.renew(token))
            if answer.status in THROTTLED:
                self.stats.add(throttled=1)
                self._limit.throttled(seen_in, answer.retry_after)
            elif answer.status < 500:
                self._limit.succeeded()
            return answer

    def _send(self, get: _Get[Any], token: str) -> Answer:
        self._check_open()
        headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
        return self._wire.send("GET", get.path + get.query, headers, redact=self._redact)

    def _exchange(self, request: TokenRequest, read: Callable[[Answer], T]) -> T:
        def attempt() -> T:
            self._check_open()
            self.stats.add(sign_ins=1)
            headers = {"Accept": "application/json", "Content-Type": request.content_type}
            return read(self._wire.send("POST", request.path, headers, request.body, self._redact))

        return self._retries(attempt, self._count_retry)

    def _count_retry(self) -> None:
        self.stats.add(retries=1)

    def _wait(self, seconds: float) -> None:
        self.stats.add(waited_seconds=seconds)
        self._sleep(seconds)
        self._check_open()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise RunaiError("The client was closed while requests were under way.")


@dataclass
class _Get(Generic[T]):
    path: str
    query: str
    parse: Callable[[bytes], T]
    accept: Collection[int]
    renewed: bool = False
