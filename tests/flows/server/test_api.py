from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from flows.server import api
from flows.server.api import Api
from pipeline.errors import ServiceError


class Answers(BaseHTTPRequestHandler):
    """A server that gives the prepared answers, (status, text) each, one after the other."""

    prepared: list[tuple[int, str]] = []  # noqa: RUF012 -- filled by each test
    asked: list[str] = []  # noqa: RUF012
    token: str | None = None
    """What changes have to show; None of a server that asks for none."""
    header = Message()
    """Headers of the last request."""

    def do_GET(self) -> None:
        type(self).header = self.headers
        if self.path.startswith("/api/csrf-token?client="):
            status, text = (422, "{}") if self.token is None else (200, json.dumps({"token": self.token}))
        elif self.command == "POST" and self.headers.get("Prefect-Csrf-Token") != self.token:
            type(self).asked.append(f"{self.command} {self.path} refused")
            status, text = 403, json.dumps({"detail": "Invalid CSRF token or client identifier."})
        else:
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
    monkeypatch.setattr(Answers, "token", None)
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


def test_changes_show_the_token_that_the_server_gave_and_fetch_another_when_it_is_refused(server: Api) -> None:
    Answers.token = "first"
    Answers.prepared = [(200, "1"), (200, "2"), (200, "3")]
    assert (server.post("/a", {}), server.post("/b", {})) == (1, 2)
    assert Answers.header["prefect-csrf-token"] == "first" and len(Answers.header["prefect-csrf-client"] or "") == 36
    Answers.token = "second"
    assert server.post("/c", {}) == 3
    assert Answers.asked == ["POST /api/a", "POST /api/b", "POST /api/c refused", "POST /api/c"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"password": "ezhoi:word"}, "Basic ZXpob2k6d29yZA=="),
        ({"key": "pnu_123"}, "Bearer pnu_123"),
        ({"password": "ezhoi:word", "key": "pnu_123"}, "Basic ZXpob2k6d29yZA=="),
    ],
)
def test_credentials_go_along(server: Api, given: dict[str, str], sent: str) -> None:
    Answers.prepared = [(200, "1")]
    assert Api(server.url, **given).get("/a") == 1 and Answers.header["authorization"] == sent


def test_a_wrong_password_is_said_and_not_shown(server: Api) -> None:
    Answers.prepared = [(401, "{}")]
    with pytest.raises(ServiceError, match=r"another password.*PREFECT_API_AUTH_STRING") as caught:
        Api(server.url, password="ezhoi:word").get("/a")
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:4210/api", True),
        ("http://127.8.9.1/api", True),
        ("http://[::1]:4210", True),
        ("http://localhost:1", True),
        ("http://localhost.example.org/", False),
        ("http://127.0.0.1.example.org/", False),
        ("https://api.prefect.cloud/api", False),
        ("http://10.0.0.1/", False),
    ],
)
def test_which_servers_are_asked_past_a_proxy(url: str, here: bool) -> None:
    assert api.on_this_machine(url) is here
