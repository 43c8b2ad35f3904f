"""Real bytes over loopback: what a script in memory cannot show."""

from __future__ import annotations

import gzip
import logging
import time
import zlib
from collections.abc import Iterator

import pytest

from sources.runai.errors import BadRequest, BrokenAnswer, ConfigurationError, Unavailable
from sources.runai.stats import Stats
from sources.runai.tls import Tls
from sources.runai.wire import LARGEST_BODY_BYTES, Wire
from tests.sources.raw_server import RawServer, Reply, ok, raw_server

PATH = "/api/v1/workloads/pods"


def wire(url: str, *, read_seconds: float = 5.0, largest_body: int = 1_000_000) -> Wire:
    return Wire(url, connections=2, read_seconds=read_seconds, tls=Tls(), stats=Stats(), largest_body=largest_body)


def send(server: RawServer, **options: float) -> bytes:
    line = wire(server.url, **options)  # type: ignore[arg-type]
    try:
        return line.send("GET", PATH, {}).body
    finally:
        line.close()


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A proxy in the environment, which refuses to connect anybody."""
    with raw_server([b"HTTP/1.1 403 Forbidden by proxy\r\n\r\n"] * 3) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        yield proxy


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b'{"pods": []}', "identity"),
        (gzip.compress(b'{"pods": []}'), "gzip"),
        (zlib.compress(b'{"pods": []}'), "deflate"),
    ],
    ids=["identity", "gzip", "deflate"],
)
def test_a_body_arrives_whole_whatever_its_encoding(body: bytes, encoding: str) -> None:
    with raw_server([ok(body, f"Content-Encoding: {encoding}")]) as server:
        assert send(server) == b'{"pods": []}'


def test_bytes_are_counted_as_they_came_over_the_wire() -> None:
    body = gzip.compress(b"x" * 100_000)
    with raw_server([ok(body, "Content-Encoding: gzip")]) as server:
        stats = Stats()
        line = Wire(server.url, connections=1, read_seconds=5, tls=Tls(), stats=stats)
        line.send("GET", PATH, {})
        line.close()
    assert (stats.snapshot().requests, stats.snapshot().bytes) == (1, len(body))


def test_what_got_no_answer_was_sent_all_the_same() -> None:
    with raw_server([None]) as server:
        stats = Stats()
        line = Wire(server.url, connections=1, read_seconds=5, tls=Tls(), stats=stats)
        with pytest.raises(Unavailable):
            line.send("GET", PATH, {})
        line.close()
    assert (stats.snapshot().requests, stats.snapshot().bytes) == (1, 0)


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b'{"pods": [',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"pod\r\n',
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
    ids=["reset", "hung up", "cut in the headers", "cut in the body", "cut in a chunk", "not HTTP"],
)
def test_a_broken_connection_is_no_answer(reply: Reply) -> None:
    with raw_server([reply]) as server, pytest.raises(Unavailable, match=r"No answer from 127\.0\.0\.1 to GET"):
        send(server)


def test_nobody_there_is_no_answer() -> None:
    with raw_server([]) as server:
        pass
    with pytest.raises(Unavailable, match="Connection refused"):
        send(server)


def test_silence_is_not_waited_out_for_ever() -> None:
    with raw_server([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], hangs_up=False) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="ReadTimeout: no answer in time"):
            send(silent, read_seconds=0.2)
    assert time.monotonic() - began < 5


def test_a_body_that_drips_is_not_waited_out_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.runai.wire.PATIENCE", -1)
    with raw_server([ok(b"drop by drop")]) as server, pytest.raises(Unavailable, match="did not end in"):
        send(server)


def test_a_body_that_cannot_be_decompressed_is_broken() -> None:
    reply = ok(b"this is no gzip", "Content-Encoding: gzip")
    with raw_server([reply]) as server, pytest.raises(BrokenAnswer, match="cannot be decompressed"):
        send(server)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_beyond_all_measure_is_broken(compressed: bool) -> None:
    """The measure is taken after decompression: a small bomb is a large body."""
    body = b"0" * 300_000
    reply = ok(gzip.compress(body), "Content-Encoding: gzip") if compressed else ok(body)
    with raw_server([reply, reply]) as server:
        assert len(send(server, largest_body=300_000)) == 300_000
        with pytest.raises(BrokenAnswer, match="larger than 299,999 bytes"):
            send(server, largest_body=299_999)


def test_what_fits_no_url_is_refused_and_not_repeated_at_length() -> None:
    line = wire("http://127.0.0.1:9")
    with pytest.raises(BadRequest, match=r"^GET /pods/x+\.\.\. cannot be put into a URL\.$") as refused:
        line.send("GET", "/pods/" + "x" * 70_000, {})
    line.close()
    assert len(str(refused.value)) < 300


def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 134217729\r\n\r\n"
    with raw_server([announced], hangs_up=False) as server, pytest.raises(BrokenAnswer, match="most that is read"):
        send(server, largest_body=LARGEST_BODY_BYTES)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "x-unheard-of"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    """Two compressions around each other are undone at a stroke, whatever they come to."""
    twice = gzip.compress(gzip.compress(b"0" * 1_000_000))
    with raw_server([ok(twice, f"Content-Encoding: {encoding}")]) as server:
        with pytest.raises(BrokenAnswer, match="not asked for"):
            send(server)
        assert b"accept-encoding: gzip, deflate\r\n" in server.requests[0].lower()


def test_a_proxy_of_the_environment_is_used_for_a_tenant(proxies: RawServer) -> None:
    line = wire("https://tenant.run.ai")
    with pytest.raises(Unavailable, match="403 Forbidden by proxy"):
        line.send("GET", PATH, {"Authorization": "Bearer canary"})
    line.close()
    assert proxies.requests[0].startswith(b"CONNECT tenant.run.ai:443 HTTP/1.1")
    assert b"canary" not in proxies.requests[0]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_every_name_of_a_proxy_is_heeded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server([b"HTTP/1.1 403 Forbidden by proxy\r\n\r\n"]) as proxy:
        monkeypatch.setenv(name, proxy.url)
        line = wire("https://tenant.run.ai")
        with pytest.raises(Unavailable, match="403 Forbidden by proxy"):
            line.send("GET", PATH, {})
        line.close()


def test_a_proxy_for_other_urls_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server([b"HTTP/1.1 403 Forbidden by proxy\r\n\r\n"]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        line = wire("https://tenant.run.ai")
        with pytest.raises(Unavailable, match="ConnectError"):
            line.send("GET", PATH, {})
        line.close()
    assert proxy.requests == []


def test_loopback_is_reached_without_the_proxy(proxies: RawServer) -> None:
    with raw_server([ok()]) as server:
        assert send(server) == b'{"pods": []}'
    assert proxies.requests == []


@pytest.mark.parametrize("proxy", ["canary://me:canary@proxy:1", "socks9://canary", "http://me:canary@proxy:port"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as refused:
        wire("https://tenant.run.ai")
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_the_transports_log_does_not_repeat_every_url(caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs each request at INFO, query and all."""
    with raw_server([ok()]) as server, caplog.at_level(logging.INFO):
        send(server)
    assert [record for record in caplog.records if record.name.startswith("http")] == []


def test_a_log_level_that_somebody_set_on_purpose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("httpx"), "level", logging.DEBUG)
    wire("http://localhost").close()
    assert logging.getLogger("httpx").level == logging.DEBUG
