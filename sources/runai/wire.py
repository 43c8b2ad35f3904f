"""One request over the wire: proxy, time-outs, redirects and size are settled here and nowhere else."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.request import getproxies

import httpx

from sources.runai.address import is_loopback, origin
from sources.runai.errors import BadRequest, BrokenAnswer, ConfigurationError, RunaiError, Unavailable
from sources.runai.retries import retry_after_seconds
from sources.runai.stats import Stats
from sources.runai.tls import Tls, certificate_problem, tls_error
from sources.runai.transport import DirectTransport

# Ten times the largest page of pods or samples that the contract allows, and 100,000 pods of the unpaged list.
LARGEST_BODY_BYTES = 128 * 1024 * 1024
# Each is undone in steps of bounded size. Another, or several one around the other, would be undone at a stroke: then
# a kilobyte can be a gigabyte before anybody has measured it.
ENCODINGS = ("gzip", "deflate")
CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
POOL_SECONDS = 300.0
LONGEST_SHOWN = 200
# A server that drips bytes never trips the read time-out; a whole answer gets this many read time-outs.
PATIENCE = 10


@dataclass(frozen=True)
class Answer:
    """A complete response; `received_at` is in UTC, `retry_after` in seconds."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    received_at: datetime

    @property
    def retry_after(self) -> float | None:
        """What `Retry-After` asks for."""
        return retry_after_seconds(self.headers.get("retry-after"), self.received_at)


class Wire:
    """A pool of connections to one control plane. Follows no redirect. Thread-safe."""

    def __init__(
        self,
        base_url: str,
        *,
        connections: int,
        read_seconds: float,
        tls: Tls,
        stats: Stats,
        transport: httpx.BaseTransport | None = None,
        largest_body: int = LARGEST_BODY_BYTES,
    ) -> None:
        self.origin = origin(base_url)
        self.host = httpx.URL(self.origin).host
        self._stats = stats
        self._largest_body = largest_body
        self._whole_answer_seconds = PATIENCE * read_seconds
        _quieten("httpx", "httpcore")
        context = tls.context()
        proxied = _may_be_proxied(self.origin, self.host)
        if transport is None and not proxied:
            transport = DirectTransport(self.origin, context, connections=connections)
        self._http = _http_client(
            proxied=proxied,
            verify=context,
            timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS, write=WRITE_SECONDS, pool=POOL_SECONDS),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            transport=transport,
        )

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        redact: Callable[[str], str] = str,
    ) -> Answer:
        """Send one request and read the whole answer, whatever its status.

        Raises BadRequest for what fits no URL, Unavailable without an answer, BrokenAnswer for one that is too large,
        cannot be decompressed or is encoded in a way that was not asked for, ConfigurationError where the certificates
        do not fit. `path` is what follows the origin, query included.
        """
        shown = path.partition("?")[0]
        try:
            request = self._http.build_request(method, self.origin + path, headers=headers, content=content)
            # One that gets no answer was sent all the same.
            self._stats.add(requests=1)
            response = self._http.send(request, stream=True)
            try:
                body = self._read(response, shown)
            finally:
                response.close()
                self._stats.add(bytes=response.num_bytes_downloaded)
            return Answer(response.status_code, body, response.headers, datetime.now(UTC))
        except httpx.InvalidURL:
            # An id of the server's own may be longer than any URL.
            problem: RunaiError = BadRequest(f"{method} {shown[:LONGEST_SHOWN]}... cannot be put into a URL.")
        except httpx.DecodingError:
            problem = BrokenAnswer(f"The body of {method} {shown} cannot be decompressed.", path=shown)
        except httpx.TransportError as error:
            unavailable = Unavailable(
                f"No answer from {self.host} to {method} {shown} ({redact(_describe(error))}). "
                "Check SOURCES__RUNAI__BASE_URL, the network and the proxy.",
                path=shown,
            )
            unavailable.is_of_tls = tls_error(error) is not None
            problem = certificate_problem(error, self.host) or unavailable
        # Raised outside the handlers: their errors hold the request, and that holds the credentials.
        raise problem

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _read(self, response: httpx.Response, path: str) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", *ENCODINGS):
            raise BrokenAnswer(f"The body of {path} is encoded in a way that was not asked for.", path=path)
        if _told_size(response) > self._largest_body:
            raise self._too_large(path)
        deadline = time.monotonic() + self._whole_answer_seconds
        chunks = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > self._largest_body:
                raise self._too_large(path)
            if time.monotonic() > deadline:
                raise Unavailable(f"The body of {path} did not end in {self._whole_answer_seconds:.0f} s.", path=path)
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_large(self, path: str) -> BrokenAnswer:
        return BrokenAnswer(
            f"The body of {path} is larger than {self._largest_body:,} bytes, the most that is read: the contract's "
            "answers are far smaller. Is something else than the control plane answering?",
            path=path,
        )


def _told_size(response: httpx.Response) -> int:
    """What the server says that it sends, before any of it is read; 0 where it does not say."""
    told = response.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def _may_be_proxied(base: str, host: str) -> bool:
    """Whether the environment names a proxy for such URLs; whether for this host too, NO_PROXY tells httpx alone.

    Then httpx's own transport is used: which entries of NO_PROXY fit a host is read in many ways, and a second reading
    here could send past a proxy what httpx would send through it.
    """
    proxies = getproxies()
    return not is_loopback(host) and bool(proxies.get(base.partition(":")[0]) or proxies.get("all"))


def _http_client(
    *,
    proxied: bool,
    verify: ssl.SSLContext,
    timeout: httpx.Timeout,
    limits: httpx.Limits,
    transport: httpx.BaseTransport | None,
) -> httpx.Client:
    try:
        return httpx.Client(
            verify=verify,
            timeout=timeout,
            limits=limits,
            transport=transport,
            trust_env=proxied,
            follow_redirects=False,
            headers={"User-Agent": "runai-pods", "Accept-Encoding": ", ".join(ENCODINGS)},
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        # The cause would show the proxy's URL, and proxies' URLs hold passwords.
        problem = ConfigurationError(
            "The proxy in the environment (HTTPS_PROXY or ALL_PROXY) cannot be used; it must be an http:// or "
            "https:// URL. Mend it, or name the control plane in NO_PROXY."
        )
    raise problem


def _quieten(*loggers: str) -> None:
    """Keep the transport's log of every URL out of ours, unless somebody set its level on purpose."""
    for name in loggers:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)


def _describe(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"{type(error).__name__}: no answer in time"
    return f"{type(error).__name__}: {error}"
