from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from flows.server import api
from flows.server.api import Api
from pipeline.errors import ServiceError


class Answers(BaseHTTPRequestHandler):
    """Gives the prepared answers, (status, text) each, one after the other."""

    prepared: list[tuple[int, str]] = []  # noqa: RUF012 -- filled by each test
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        type(self).asked.append(f"{self.command} {self.path}")
        status, text = type(self).prepared.pop(0)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(api, "BUSY_PAUSES", (0.0, 0.0))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    listening = HTTPServer(("127.0.0.1", 0), Answers)
    Answers.asked.clear()
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield Api(f"http://127.0.0.1:{listening.server_port}/api")
    listening.shutdown()
    listening.server_close()


def test_json_comes_back_past_any_proxy(server: Api) -> None:
    Answers.prepared = [(200, json.dumps({"id": 3})), (204, ""), (404, "{}")]
    assert server.get("/a") == {"id": 3} and server.post("/b", {}) is None and server.get("/c") is None
    assert Answers.asked == ["GET /api/a", "POST /api/b", "GET /api/c"]


def test_a_busy_server_is_asked_again(server: Api) -> None:
    Answers.prepared = [(503, "{}"), (503, "{}"), (200, "7")]
    assert server.get("/a") == 7
    Answers.prepared = [(503, "{}")] * 3
    with pytest.raises(ServiceError, match="refused /a: 503"):
        server.get("/a")


def test_a_refusal_says_why_and_is_final(server: Api) -> None:
    Answers.prepared = [(409, json.dumps({"detail": "Validation failed for field 'profile'"}))]
    with pytest.raises(ServiceError, match="409, Validation failed for field 'profile'"):
        server.post("/a", {})


def test_no_server(server: Api) -> None:
    gone = Api("http://127.0.0.1:1/api")
    assert not gone.healthy()
    with pytest.raises(ServiceError, match="ezhoi up"):
        gone.get("/health")
    Answers.prepared = [(200, "true")]
    assert server.healthy()
