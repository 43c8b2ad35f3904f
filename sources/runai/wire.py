"""One request over the wire: TLS, proxy, time-outs and size, all of which are settled here and nowhere else."""

from __future__ import annotations

import ipaddress
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from sources.runai.errors import BrokenAnswer, ConfigurationError, Unavailable
from sources.runai.retries import retry_after_seconds
from sources.runai.stats import Stats

LARGEST_BODY_BYTES = 256 * 1024 * 1024
CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
POOL_SECONDS = 300.0
# A server that drips bytes never trips the read time-out; a whole answer gets this many read time-outs.
PATIENCE = 10
API_PREFIX = re.compile(r"/api(/v\d+)?$")
UNKNOWN_ISSUER = {18, 19, 20, 21}
OUT_OF_DATE = {9, 10}


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


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files: a private CA to trust in place of the public ones, a client certificate and its key."""

    ca_bundle: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Build the context; ConfigurationError if a file cannot be read."""
        context = self._trust()
        if self.client_certificate:
            try:
                # Without a password callback OpenSSL would ask on the terminal, and a cron job would hang.
                context.load_cert_chain(self.client_certificate, self.client_key or None, password=lambda: "")
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"The client certificate {self.client_certificate} or its key cannot be used "
                    f"({_reason(error)}); both must be readable PEM files and the key unencrypted."
                ) from error
        elif self.client_key:
            raise ConfigurationError("A client key is set without a client certificate; set client_certificate too.")
        return context

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_bundle) if self.ca_bundle else httpx.create_ssl_context()
        except (OSError, ValueError) as error:
            file = self.ca_bundle or "named by SSL_CERT_FILE or SSL_CERT_DIR"
            raise ConfigurationError(
                f"The CA bundle {file} cannot be used ({_reason(error)}); it must be a readable PEM file."
            ) from error


def origin(base_url: str) -> str:
    """Check the control plane's address and cut it down to `https://host[:port][/prefix]`.

    A trailing `/api` or `/api/v1` goes. ConfigurationError for plain http to anything but loopback, for user names
    and passwords, queries and fragments in it, and for what is no URL at all.
    """
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.userinfo:
        raise ConfigurationError(
            "The base URL carries a user name or password; leave it out and set client_id and client_secret, or token."
        )
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(
            f"{base_url.strip()!r} is not the URL of a control plane; set it like https://my-company.run.ai."
        )
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigurationError(
            f"http://{url.host} would send the credentials in clear text; use https (plain http is for loopback only)."
        )
    if url.query or url.fragment:
        raise ConfigurationError(f"The base URL must end with the host or a path: https://{url.host}.")
    prefix = API_PREFIX.sub("", url.path.rstrip("/")).rstrip("/")
    return f"{url.scheme}://{url.netloc.decode('ascii')}{prefix}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
        self._http = _http_client(
            proxied=not is_loopback(self.host),
            verify=tls.context(),
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

        Raises Unavailable without an answer, BrokenAnswer for one that is too large or cannot be decompressed,
        ConfigurationError where the certificates do not fit. `path` is what follows the origin, query included.
        """
        request = self._http.build_request(method, self.origin + path, headers=headers, content=content)
        shown = path.partition("?")[0]
        try:
            response = self._http.send(request, stream=True)
            try:
                body = self._read(response, shown)
            finally:
                response.close()
                self._stats.add(requests=1, bytes=response.num_bytes_downloaded)
        except httpx.DecodingError as error:
            raise BrokenAnswer(f"The body of {method} {shown} cannot be decompressed.", path=shown) from error
        except httpx.TransportError as error:
            if mismatch := _certificate_problem(error, self.host):
                raise mismatch from error
            raise Unavailable(
                f"No answer from {self.host} to {method} {shown} ({redact(_describe(error))}). "
                "Check SOURCES__RUNAI__BASE_URL, the network and the proxy.",
                path=shown,
            ) from error
        return Answer(response.status_code, body, response.headers, datetime.now(UTC))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _read(self, response: httpx.Response, path: str) -> bytes:
        deadline = time.monotonic() + self._whole_answer_seconds
        chunks = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > self._largest_body:
                raise BrokenAnswer(f"The body of {path} is larger than {self._largest_body} bytes.", path=path)
            if time.monotonic() > deadline:
                raise Unavailable(f"The body of {path} did not end in {self._whole_answer_seconds:.0f} s.", path=path)
            chunks.append(chunk)
        return b"".join(chunks)


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
            headers={"User-Agent": "runai-pods"},
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


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _certificate_problem(error: BaseException, host: str) -> ConfigurationError | None:
    """Find the TLS error behind a transport error that no retry will mend, and say what to do about it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigurationError(f"The certificate of {host} is not trusted ({_verification_advice(cause)}).")
    reason = (cause.reason or "") if cause is not None else ""
    if "CERTIFICATE_REQUIRED" in reason:
        return ConfigurationError(
            f"{host} asks for a client certificate; set SOURCES__RUNAI__CLIENT_CERTIFICATE and …__CLIENT_KEY."
        )
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        return ConfigurationError(f"{host} does not speak TLS at this port; check SOURCES__RUNAI__BASE_URL.")
    return None


def _verification_advice(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in UNKNOWN_ISSUER:
        return "its issuer is unknown here: set SOURCES__RUNAI__CA_BUNDLE to the PEM file of the private CA"
    if error.verify_code in OUT_OF_DATE:
        return f"{error.verify_message}: have it renewed, and check this machine's clock"
    return f"{error.verify_message}: check the host in SOURCES__RUNAI__BASE_URL"
