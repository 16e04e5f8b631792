"""An S3-compatible server on this machine, behind a gate that can turn requests away.

The gate lets one change through at a time: S3 promises that of conditional writes, and moto looks and writes apart.
"""

from __future__ import annotations

import http.client
import threading
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gate(ThreadingHTTPServer):
    """Hands requests on to the S3 server, or answers 503 while `closed`; counts what it saw."""

    daemon_threads = True
    closed = False
    backend = ("127.0.0.1", 0)

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Pass)
        self.seen: list[str] = []
        self.refused = 0
        self.changes = threading.Lock()


class _Pass(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # header and body are two writes, and the second would wait 40 ms
    server: Gate

    def _pass(self) -> None:
        body = self._body()
        self.server.seen.append(f"{self.command} {self.path}")
        if self.server.closed:
            self.server.refused += 1
            status, headers, content = 503, [], b"<Error><Code>SlowDown</Code><Message>later</Message></Error>"
        else:
            connection = http.client.HTTPConnection(*self.server.backend, timeout=30)
            kept = {k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "expect")}
            kept["Content-Length"] = str(len(body))
            with nullcontext() if self.command in ("GET", "HEAD") else self.server.changes:
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                status, headers, content = answer.status, answer.getheaders(), answer.read()
        self.send_response(status)
        hidden = ("transfer-encoding", "connection", "content-length", "server", "date")
        for name, value in headers:
            if name.lower() not in hidden:
                self.send_header(name, value)
        length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *arguments: object) -> None:
        """Silence."""
