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
Conversation = Reply | tuple[bytes, ...]  # the last, or the answers to several requests on one connection
TLS_HANDSHAKE = 0x16


@dataclass
class RawServer:
    """Where it listens, the requests it has read, and whether it hangs up after its answers or waits for the end.

    `connections` counts those that were accepted, `hung_up` those that are over, `alpn` is what the last one agreed on.
    """

    port: int
    tls: ssl.SSLContext | None
    hangs_up: bool
    requests: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    hung_up: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    alpn: str | None = None

    @property
    def url(self) -> str:
        """The base URL over plain http."""
        return f"http://127.0.0.1:{self.port}"

    def converse(self, connection: socket.socket, replies: Conversation) -> None:
        """Read a request and send the bytes, once or in turn; a client that breaks off is none of its business."""
        self.connections += 1
        with suppress(OSError):
            stream = self._stream(connection)
            with stream:
                for reply in replies if isinstance(replies, tuple) else (replies,):
                    self._answer(stream, reply)
                if not self.hangs_up:
                    self.over.wait(10)
        self.hung_up.release()

    def _stream(self, connection: socket.socket) -> socket.socket:
        if self.tls is None:
            return connection
        stream = self.tls.wrap_socket(connection, server_side=True)
        self.alpn = stream.selected_alpn_protocol()
        return stream

    def _answer(self, stream: socket.socket, reply: Reply) -> None:
        self.requests.append(_request(stream))
        if reply is None:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            stream.sendall(reply)


def ok(body: bytes = b'{"pods": []}', *headers: str) -> bytes:
    """A complete HTTP response."""
    lines = [b"HTTP/1.1 200 OK", f"Content-Length: {len(body)}".encode(), *(header.encode() for header in headers)]
    return b"\r\n".join([*lines, b"", body])


@contextmanager
def raw_server(
    replies: Iterable[Conversation], tls: ssl.SSLContext | None = None, *, hangs_up: bool = True
) -> Iterator[RawServer]:
    """One connection per conversation, one after another."""
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


def _serve(listener: socket.socket, server: RawServer, conversations: list[Conversation]) -> None:
    for replies in conversations:
        try:
            connection, _peer = listener.accept()
        except OSError:
            return  # the block has ended
        with connection:
            connection.settimeout(10)
            server.converse(connection, replies)


def _request(stream: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = stream.recv(65536)
        data += chunk
        if not chunk or data[0] == TLS_HANDSHAKE:
            break
    return data
