"""A server on loopback that sends exactly the bytes it is told to, faults of the wire included."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Reply = bytes | None  # None: reset the connection


@dataclass
class RawServer:
    """Where it listens, and the requests it has read."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The base URL over plain http."""
        return f"http://127.0.0.1:{self.port}"


def ok(body: bytes = b'{"pods": []}', *headers: str) -> bytes:
    """A complete HTTP response."""
    lines = [b"HTTP/1.1 200 OK", f"Content-Length: {len(body)}".encode(), *(header.encode() for header in headers)]
    return b"\r\n".join([*lines, b"", body])


@contextmanager
def raw_server(replies: Iterable[Reply], tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """One connection per reply: reads a request, sends the bytes, closes. Connections beyond that are refused."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    server = RawServer(listener.getsockname()[1])
    thread = threading.Thread(target=_serve, args=(listener, server, list(replies), tls), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Wakes a thread that waits for a connection.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()


def _serve(listener: socket.socket, server: RawServer, replies: list[Reply], tls: ssl.SSLContext | None) -> None:
    for reply in replies:
        try:
            connection, _peer = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(10)
            _answer(connection, server, reply, tls)
    listener.close()


def _answer(connection: socket.socket, server: RawServer, reply: Reply, tls: ssl.SSLContext | None) -> None:
    try:
        stream = tls.wrap_socket(connection, server_side=True) if tls else connection
    except OSError:
        return  # the client did not like the certificate
    with stream:
        try:
            server.requests.append(_request(stream))
            if reply is None:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                stream.sendall(reply)
        except OSError:
            return  # the client has had enough


def _request(stream: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = stream.recv(65536)
        if not chunk:
            break
        data += chunk
    return data
