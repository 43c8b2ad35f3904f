"""The way of a request to the control plane and back: one socket per request under way, some kept open for the next.

httpx's own transport is made for many hosts, proxies, HTTP/2 and tracing, and pays for them with every request. This
one speaks HTTP through the same h11, so that it takes and refuses the same answers.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import h11
import httpx

KEPT_OPEN_SECONDS = 5.0
LARGEST_HEAD_BYTES = 100 * 1024
READ_BYTES = 64 * 1024


class DirectTransport(httpx.BaseTransport):
    """Up to `connections` connections to the origin of `url`, over `tls` where that is https. Thread-safe.

    Follows the time-outs of a request (seconds; connect, write, read, pool) and raises what httpx's own transport
    would: ConnectError, ReadTimeout, RemoteProtocolError and so on.
    """

    def __init__(self, url: str, tls: ssl.SSLContext, *, connections: int) -> None:
        self._origin = _origin(httpx.URL(url))
        self._tls = tls if self._origin[0] == b"https" else None
        # As httpx does: some gateways hang up on who does not say what is spoken inside.
        tls.set_alpn_protocols(["http/1.1"])
        self._room = threading.BoundedSemaphore(connections)
        # The one used last is taken first, so that those which a quiet stretch does not need grow old.
        self._idle: deque[_Connection] = deque()
        self._is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the answer is read from the network as it is iterated over."""
        if _origin(request.url) != self._origin:
            raise httpx.UnsupportedProtocol("This transport reaches one host only, and the request is for another.")
        seconds = request.extensions.get("timeout", {})
        if not self._room.acquire(timeout=seconds.get("pool")):
            raise httpx.PoolTimeout("All connections were in use.")
        connection = None
        try:
            connection = self._kept() or _Connection(self._connect(seconds.get("connect")))
            connection.send(request, seconds.get("write"))
            head = connection.head(seconds.get("read"))
        except BaseException:
            self._leave(connection)
            raise
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=_Body(connection, self._leave),
            extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": bytes(head.reason)},
        )

    def close(self) -> None:
        """Close what is idle, and what is under way once it is over."""
        self._is_closed = True
        while (connection := self._last_used()) is not None:
            connection.close()

    def _connect(self, seconds: float | None) -> socket.socket:
        _scheme, host, port = self._origin
        try:
            return _stream(host.decode("ascii"), port, self._tls, seconds)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a label of the host name is too long.
            raise httpx.ConnectError(str(error)) from error

    def _kept(self) -> _Connection | None:
        while (connection := self._last_used()) is not None:
            if connection.is_fresh():
                return connection
            connection.close()
        return None

    def _last_used(self) -> _Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _leave(self, connection: _Connection | None) -> None:
        """Make room for the next request, and keep the connection for it if the answer was read to its end."""
        if connection is not None:
            if connection.rest():
                self._idle.append(connection)
            else:
                connection.close()
        self._room.release()
        if self._is_closed:
            self.close()


class _Connection:
    """A socket and what HTTP has come to on it; for one thread at a time."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD_BYTES)
        # Not select: it takes no file descriptor beyond 1023.
        self._news = select.poll()
        self._news.register(stream, select.POLLIN)
        self._rests_since = 0.0

    def is_fresh(self) -> bool:
        """Whether a request may be sent; where there is something to read unasked, the server has hung up."""
        return time.monotonic() - self._rests_since < KEPT_OPEN_SECONDS and not self._news.poll(0)

    def send(self, request: httpx.Request, seconds: float | None) -> None:
        try:
            message = self._http.send(
                h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
            )
            body = self._http.send(h11.Data(data=request.read()))
            end = self._http.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            # Told without h11's words, which quote headers.
            raise httpx.LocalProtocolError("The request cannot be put into HTTP.") from None
        self._stream.settimeout(seconds)
        try:
            self._stream.sendall(b"".join(filter(None, (message, body, end))))
        except TimeoutError as error:
            raise httpx.WriteTimeout(str(error)) from error
        except OSError:
            # A server may refuse a request before it has read it all, and hang up: its answer is there to be read.
            self._http.send_failed()

    def head(self, seconds: float | None) -> h11.Response:
        self._stream.settimeout(seconds)
        while isinstance(event := self._event(), h11.InformationalResponse):
            pass  # 100 Continue and 103 Early Hints announce the answer.
        if not isinstance(event, h11.Response):
            raise httpx.RemoteProtocolError("The server switches to another protocol.")
        return event

    def body(self) -> Iterator[bytes]:
        while isinstance(event := self._event(), h11.Data):
            yield bytes(event.data)

    def rest(self) -> bool:
        """End the exchange; False if no other may follow on this connection."""
        is_over = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        # What came beyond the end would be taken for the answer to the next request.
        if not is_over or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        self._rests_since = time.monotonic()
        return True

    def close(self) -> None:
        self._stream.close()

    def _event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = self._stream.recv(READ_BYTES)
                if not data and self._http.their_state is h11.SEND_RESPONSE:
                    raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
                self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        return event


class _Body(httpx.SyncByteStream):
    """The body of an answer, and what is to be done with its connection afterwards."""

    def __init__(self, connection: _Connection, leave: Callable[[_Connection], None]) -> None:
        self._connection = connection
        self._leave = leave
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self._connection.body()

    def close(self) -> None:
        # Left twice, a connection would be two threads' at once.
        if not self._is_closed:
            self._is_closed = True
            self._leave(self._connection)


def _stream(host: str, port: int, tls: ssl.SSLContext | None, seconds: float | None) -> socket.socket:
    stream = socket.create_connection((host, port), seconds)
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tls.wrap_socket(stream, server_hostname=host) if tls else stream
    except BaseException:
        stream.close()
        raise


def _origin(url: httpx.URL) -> tuple[bytes, bytes, int]:
    return url.raw_scheme, url.raw_host, url.port or (443 if url.raw_scheme == b"https" else 80)
