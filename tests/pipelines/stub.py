"""A control plane of a few canned answers, over loopback HTTP."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]
TOKEN = "/api/v1/token"


@contextmanager
def stub(answers: Mapping[str, Answer], *, date: str | None = None, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve `path -> (status, body)`, the longest path that the request's begins with; yields the address.

    Bytes are sent as they are, all else as JSON. The key may go on with `?name=value`, which the request's parameters
    must contain.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without it small answers wait 40 ms for an acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, body = self._answer()
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return date or super().date_time_string(timestamp)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output clean."""

        def _answer(self) -> Answer:
            asked = urlsplit(self.path)
            for key in sorted(answers, key=len, reverse=True):
                path, _, wanted = key.partition("?")
                if path == asked.path and parse_qs(wanted).items() <= parse_qs(asked.query).items():
                    return answers[key]
            return 404, {"code": 404, "message": "Resource id not found."}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host, scheme = ("localhost", "https") if tls else ("127.0.0.1", "http")
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{scheme}://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
