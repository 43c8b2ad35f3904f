"""A server on loopback that sends exactly the bytes it is told to, faults of the wire included."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Reply = bytes | None  # None: reset the connection
TLS_HANDSHAKE = 0x16


@dataclass
class RawServer:
    """Where it listens, the requests it has read, and whether it hangs up after an answer or waits for the end."""

    port: int
    tls: ssl.SSLContext | None
    hangs_up: bool
    requests: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The base URL over plain http."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, connection: socket.socket, reply: Reply) -> None:
        """Read one request and send the bytes; a client that breaks off is none of its business."""
        with suppress(OSError):
            stream = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            with stream:
                self.requests.append(_request(stream))
                if reply is None:
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    stream.sendall(reply)
                if not self.hangs_up:
                    self.over.wait(10)


def ok(body: bytes = b'{"pods": []}', *headers: str) -> bytes:
    """A complete HTTP response."""
    lines = [b"HTTP/1.1 200 OK", f"Content-Length: {len(body)}".encode(), *(header.encode() for header in headers)]
    return b"\r\n".join([*lines, b"", body])


@contextmanager
def raw_server(
    replies: Iterable[Reply], tls: ssl.SSLContext | None = None, *, hangs_up: bool = True
) -> Iterator[RawServer]:
    """One connection per reply, one after another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        server = RawServer(listener.getsockname()[1], tls, hangs_up)
        thread = threading.Thread(target=_serve, args=(listener, server, list(replies)), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for a connection
            thread.join(10)


def _serve(listener: socket.socket, server: RawServer, replies: list[Reply]) -> None:
    for reply in replies:
        try:
            connection, _peer = listener.accept()
        except OSError:
            return  # the block has ended
        with connection:
            connection.settimeout(10)
            server.answer(connection, reply)


def _request(stream: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = stream.recv(65536)
        data += chunk
        if not chunk or data[0] == TLS_HANDSHAKE:
            break
    return data
