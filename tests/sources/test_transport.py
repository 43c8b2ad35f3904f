"""Connections, and what comes over them: whatever a server does, the outcome is that of httpx's own transport."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trustme

from sources.runai.transport import DirectTransport
from tests.sources.raw_server import RawServer, Reply, ok, raw_server

Transport = Callable[[str], httpx.BaseTransport]


def direct(url: str, connections: int = 1, tls: ssl.SSLContext | None = None) -> DirectTransport:
    return DirectTransport(url, tls or ssl.create_default_context(), connections=connections)


def httpx_own(url: str) -> httpx.HTTPTransport:  # noqa: ARG001 - it is told with each request
    return httpx.HTTPTransport(trust_env=False)


TRANSPORTS = pytest.mark.parametrize("transport", [direct, httpx_own])


def client(transport: httpx.BaseTransport, **seconds: float) -> httpx.Client:
    return httpx.Client(transport=transport, timeout=httpx.Timeout(5.0, **seconds))


@pytest.fixture
def two_answers() -> Iterator[RawServer]:
    """A connection for two requests, then one for a third."""
    with raw_server([(ok(b"1"), ok(b"2")), ok(b"3")]) as server:
        yield server


# --- answers ---------------------------------------------------------------------------------------------------------

GOOD: dict[str, tuple[bytes, bytes]] = {
    "whole": (ok(b"pods"), b"pods"),
    "empty": (ok(b""), b""),
    "large": (ok(b"x" * 3_000_000), b"x" * 3_000_000),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\npo\r\n2\r\nds\r\n0\r\nA: b\r\n\r\n",
        b"pods",
    ),
    "up to the end of the connection": (b"HTTP/1.1 200 OK\r\n\r\npods", b"pods"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\npods", b"pods"),
    "HTTP/1.0 with a length": (b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\npods", b"pods"),
    "after 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"pods"), b"pods"),
    "after 103": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"pods"), b"pods"),
    "compressed": (ok(gzip.compress(b"pods"), "Content-Encoding: gzip"), b"pods"),
    "one length, twice": (ok(b"pods", "Content-Length: 4"), b"pods"),
    "the last": (ok(b"pods", "Connection: close"), b"pods"),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "without a reason": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
    "folded header": (ok(b"pods", "X-Folded: a\r\n b"), b"pods"),
}

BAD: dict[str, tuple[Reply, type[httpx.TransportError]]] = {
    "reset": (None, httpx.ReadError),
    "hung up": (b"", httpx.RemoteProtocolError),
    "cut in the status": (b"HTTP/1.1 20", httpx.RemoteProtocolError),
    "cut in the headers": (b"HTTP/1.1 200 OK\r\nContent-Le", httpx.RemoteProtocolError),
    "cut in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\npods", httpx.RemoteProtocolError),
    "cut before the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", httpx.RemoteProtocolError),
    "cut in a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\npods", httpx.RemoteProtocolError),
    "cut after a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npods\r\n",
        httpx.RemoteProtocolError,
    ),
    "chunk of no size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\npods", httpx.RemoteProtocolError),
    "chunk of less than nothing": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-4\r\npods\r\n0\r\n\r\n",
        httpx.RemoteProtocolError,
    ),
    "chunk longer than it says": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\npods\r\n0\r\n\r\n",
        httpx.RemoteProtocolError,
    ),
    "other encoding": (ok(b"pods", "Transfer-Encoding: gzip, chunked"), httpx.RemoteProtocolError),
    "two lengths": (ok(b"pods", "Content-Length: 3"), httpx.RemoteProtocolError),
    "length below nothing": (b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\npods", httpx.RemoteProtocolError),
    "length with a score": (b"HTTP/1.1 200 OK\r\nContent-Length: 0_4\r\n\r\npods", httpx.RemoteProtocolError),
    "header without a colon": (ok(b"pods", "no header"), httpx.RemoteProtocolError),
    "header that hides another": (ok(b"pods", "X: a\rContent-Length: 1"), httpx.RemoteProtocolError),
    "header with a NUL": (ok(b"pods", "X: \0"), httpx.RemoteProtocolError),
    "header without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, httpx.RemoteProtocolError),
    "headers without end": (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 30_000, httpx.RemoteProtocolError),
    "status of no number": (b"HTTP/1.1 two OK\r\n\r\n", httpx.RemoteProtocolError),
    "HTTP/2": (b"HTTP/2 200 OK\r\n\r\n", httpx.RemoteProtocolError),
    "other protocol": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", httpx.RemoteProtocolError),
    "switch of protocol": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", httpx.RemoteProtocolError),
}


@TRANSPORTS
@pytest.mark.parametrize(("reply", "body"), GOOD.values(), ids=GOOD)
def test_an_answer_arrives_whole(transport: Transport, reply: bytes, body: bytes) -> None:
    with raw_server([reply]) as server, client(transport(server.url)) as http:
        assert http.get(server.url).content == body


@TRANSPORTS
@pytest.mark.parametrize(("reply", "kind"), BAD.values(), ids=BAD)
def test_a_bad_answer_is_an_error(transport: Transport, reply: Reply, kind: type[httpx.TransportError]) -> None:
    with raw_server([reply]) as server, client(transport(server.url)) as http:
        with pytest.raises(httpx.TransportError) as failed:
            http.get(server.url)
        assert type(failed.value) is kind


def test_no_protocol_is_switched_to() -> None:
    reply = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n"
    with (
        raw_server([reply]) as server,
        client(direct(server.url)) as http,
        pytest.raises(httpx.RemoteProtocolError, match="another protocol"),
    ):
        http.get(server.url, headers={"Upgrade": "a"})


@TRANSPORTS
def test_status_and_headers_are_the_servers(transport: Transport) -> None:
    reply = b"HTTP/1.1 404 Not Here\r\nSet-Thing: a\r\nset-thing: b\r\nContent-Length: 0\r\n\r\n"
    with raw_server([reply]) as server, client(transport(server.url)) as http:
        response = http.get(server.url)
    assert (response.status_code, response.reason_phrase, response.http_version) == (404, "Not Here", "HTTP/1.1")
    assert response.headers.raw == [(b"Set-Thing", b"a"), (b"set-thing", b"b"), (b"Content-Length", b"0")]


# --- requests --------------------------------------------------------------------------------------------------------


def test_a_request_is_sent_as_by_httpx() -> None:
    sent = []
    for transport in (direct, httpx_own):
        with raw_server([(ok(), ok())]) as server, client(transport(server.url)) as http:
            http.get(f"{server.url}/a%20b?c=d,e&f", headers={"Authorization": "Bearer t", "Host": "plane"})
            http.post(f"{server.url}/token", content=b"grant", headers={"Host": "plane"})
        sent.append(server.requests)
    heads = [[request.partition(b"\r\n\r\n")[0] for request in requests] for requests in sent]
    assert heads[0] == heads[1]
    assert heads[0][0].startswith(b"GET /a%20b?c=d,e&f HTTP/1.1\r\nHost: plane\r\n")
    assert sent[0][1].endswith(b"\r\nContent-Length: 5\r\n\r\ngrant")


@pytest.mark.parametrize("value", ["canary\r\nX-Evil: 1", "canary\r\n folded", "canary\0", "canary\n"])
def test_a_header_that_cannot_be_sent_is_neither_sent_nor_told(value: str) -> None:
    with raw_server([b"", ok()]) as server, client(direct(server.url)) as http:
        with pytest.raises(httpx.LocalProtocolError) as refused:
            http.get(server.url, headers={"Authorization": value})
        assert "canary" not in str(refused.value)
        http.get(server.url)
    assert not [request for request in server.requests if b"canary" in request]


def test_no_other_host_is_reached() -> None:
    with raw_server([ok()]) as server, client(direct("http://localhost")) as http:
        with pytest.raises(httpx.UnsupportedProtocol):
            http.get(server.url)
        assert server.connections == 0


@TRANSPORTS
def test_an_answer_that_comes_before_the_request_is_over_is_read(transport: Transport) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    with raw_server([refusal]) as server, client(transport(server.url)) as http:
        assert http.post(server.url, content=bytes(30_000_000)).status_code == 413


# --- connections -----------------------------------------------------------------------------------------------------


def test_a_connection_is_used_again(two_answers: RawServer) -> None:
    with client(direct(two_answers.url, connections=3)) as http:
        assert [http.get(two_answers.url).text for _ in range(2)] == ["1", "2"]
    assert two_answers.connections == 1


def test_a_connection_that_the_server_has_closed_is_not_used_again(two_answers: RawServer) -> None:
    with client(direct(two_answers.url)) as http:
        assert [http.get(two_answers.url).text for _ in range(2)] == ["1", "2"]
        assert two_answers.hung_up.acquire(timeout=10)
        assert http.get(two_answers.url).text == "3"
    assert two_answers.connections == 2


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands between may have forgotten it, and would swallow the request."""
    monkeypatch.setattr("sources.runai.transport.KEPT_OPEN_SECONDS", -1.0)
    with raw_server([(ok(b"1"), ok(b"canary")), ok(b"2")]) as server, client(direct(server.url)) as http:
        assert [http.get(server.url).text for _ in range(2)] == ["1", "2"]


@pytest.mark.parametrize(
    "first",
    [ok(b"1", "Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1", ok(b"1") + ok(b"canary")],
    ids=["told so", "HTTP/1.0", "bytes too many"],
)
def test_a_connection_that_ends_with_its_answer_is_not_used_again(first: bytes) -> None:
    with raw_server([(first, ok(b"canary")), ok(b"2")]) as server, client(direct(server.url)) as http:
        assert [http.get(server.url).text for _ in range(2)] == ["1", "2"]


def test_an_answer_that_was_not_read_to_its_end_is_not_the_next_ones(two_answers: RawServer) -> None:
    with client(direct(two_answers.url)) as http:
        with http.stream("GET", two_answers.url):
            pass
        assert http.get(two_answers.url).text == "3"


def test_threads_share_no_more_connections_than_are_allowed() -> None:
    answers = tuple(ok(str(number).encode()) for number in range(40))
    with raw_server([answers]) as server, client(direct(server.url)) as http, ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _number: http.get(server.url).text, range(40)))
    assert sorted(bodies, key=int) == [str(number) for number in range(40)]
    assert server.connections == 1


def test_a_request_waits_for_a_connection_and_not_for_ever(two_answers: RawServer) -> None:
    with client(direct(two_answers.url), pool=0.05) as http:
        with http.stream("GET", two_answers.url) as first:
            with pytest.raises(httpx.PoolTimeout):
                http.get(two_answers.url)
            first.read()
        assert http.get(two_answers.url).text == "2"


@pytest.mark.parametrize("fault", [None, b"SSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"])
def test_a_failure_leaves_room_for_the_next_request(fault: Reply) -> None:
    with raw_server([fault] * 3 + [ok(b"4")]) as server, client(direct(server.url), pool=0.05) as http:
        for _ in range(3):
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                http.get(server.url)
        assert http.get(server.url).text == "4"


def test_a_body_that_is_closed_twice_leaves_one_connection_to_one_thread(two_answers: RawServer) -> None:
    transport = direct(two_answers.url)
    response = transport.handle_request(httpx.Request("GET", two_answers.url))
    response.read()
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream.close()
    assert len(transport._idle) == 1
    transport.close()


def test_small_requests_are_not_held_back(two_answers: RawServer) -> None:
    transport = direct(two_answers.url)
    with client(transport) as http:
        http.get(two_answers.url)
        assert transport._idle[0]._stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_is_under_way_at_the_end_is_closed_once_it_is_over(two_answers: RawServer) -> None:
    transport = direct(two_answers.url)
    response = transport.handle_request(httpx.Request("GET", two_answers.url))
    transport.close()
    assert response.read() == b"1"
    assert two_answers.hung_up.acquire(timeout=10)


# --- failures to connect, and time -----------------------------------------------------------------------------------


@TRANSPORTS
def test_nobody_there(transport: Transport) -> None:
    with raw_server([]) as server:
        pass
    with client(transport(server.url)) as http, pytest.raises(httpx.ConnectError, match="Connection refused"):
        http.get(server.url)


def test_a_host_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> socket.socket:
        raise UnicodeError("label empty or too long")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with client(direct("https://a..b")) as http, pytest.raises(httpx.ConnectError, match="label empty or too long"):
        http.get("https://a..b")


@TRANSPORTS
def test_a_handshake_that_does_not_end(transport: Transport) -> None:
    with raw_server([b""], hangs_up=False) as server:
        url = server.url.replace("http", "https")
        with client(transport(url), connect=0.1) as http, pytest.raises(httpx.ConnectTimeout):
            http.get(url)


@TRANSPORTS
def test_a_handshake_that_fails_tells_why(transport: Transport) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with raw_server([ok()], tls) as server:
        url = server.url.replace("http", "https")
        with client(transport(url)) as http, pytest.raises(httpx.ConnectError) as failed:
            http.get(url)
    cause: BaseException | None = failed.value
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    assert cause is not None


def test_http_1_1_is_what_is_spoken_inside_tls() -> None:
    ca = trustme.CA()
    there, here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert("127.0.0.1").configure_cert(there)
    there.set_alpn_protocols(["h2", "http/1.1"])
    ca.configure_trust(here)
    with raw_server([(ok(b"1"), ok(b"2"))], there) as server:
        url = server.url.replace("http", "https")
        with client(direct(url, tls=here)) as http:
            assert [http.get(url).text for _ in range(2)] == ["1", "2"]
    assert (server.alpn, server.connections) == ("http/1.1", 1)


@TRANSPORTS
@pytest.mark.parametrize("begun", [b"", ok(b"pods")[:-2]], ids=["before the answer", "in its body"])
def test_a_server_that_falls_silent(transport: Transport, begun: bytes) -> None:
    started = time.monotonic()
    with (
        raw_server([begun], hangs_up=False) as server,
        client(transport(server.url), read=0.1) as http,
        pytest.raises(httpx.ReadTimeout),
    ):
        http.get(server.url)
    assert time.monotonic() - started < 4


@TRANSPORTS
def test_a_server_that_takes_nothing_in(transport: Transport) -> None:
    with (
        raw_server([b""], hangs_up=False) as server,
        client(transport(server.url), write=0.1) as http,
        pytest.raises(httpx.WriteTimeout),
    ):
        http.post(server.url, content=bytes(30_000_000))
