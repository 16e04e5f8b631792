"""A server that speaks enough of the OpenAI protocol to be asked for descriptions, and misbehaves on demand."""

import gzip
import json
import re
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

MODEL = "tiny-describer"
_PHRASE = re.compile(
    r"(?:photograph (?:of|shows)|^Describe) (a person .+?)(?: looks, in| look like| and focus|, another)"
    r"|^Scene one, (a person .+?):"
)
_OBJECT = re.compile(r"(?:by its name,|is called) ([a-z ]+)\.")


@dataclass
class LanguageServer:
    """What the server was asked, and how it is to behave.

    `faults` maps a part of a prompt to the faults of the requests that contain it, first to last ("" is in any).
    """

    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    models: list[str] = field(default_factory=lambda: [MODEL])
    key: str | None = None
    context: int | None = 4096
    delay_s: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    refused: int = 0
    capacity: int = 10_000
    """Requests in flight from which on the server answers 429."""
    sent: int = 0
    """Bytes of answers without end."""
    lasts: int = 10_000
    """Answers after which every request fails."""
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    _server: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Listen: on a free port at first, on the same one again after `stop`."""
        self.closing.clear()
        server = _Server(("127.0.0.1", self.port), _Handler)
        server.state, self.port, self._server = self, server.server_address[1], server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection: requests in flight get no answer."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()

    def next_fault(self, prompt: str) -> str | None:
        with self.lock:
            for part, left in self.faults.items():
                if part in prompt and left:
                    return left.pop(0)
        return None

    def asked(self) -> Counter[tuple[str, int]]:
        """How often each (prompt, seed) came in."""
        return Counter((prompt_of(r), r["seed"]) for r in self.requests)


def prompt_of(body: dict[str, Any]) -> str:
    """The words of the last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else next(part["text"] for part in content if part["type"] == "text")


def good_text(prompt: str, seed: int) -> str:
    found = _PHRASE.search(prompt)
    phrase = next(group for group in found.groups() if group) if found else "a person"
    thing = _OBJECT.search(prompt)
    named = thing.group(1) if thing else "thing"
    return f"{phrase.capitalize()} leans forward a little. Version {'ABCDEF'[seed]} keeps the {named} close by."


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256
    state: LanguageServer

    def __init__(self, *arguments: Any) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for connection in list(self.open):
            reset(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no news."""


def reset(connection: socket.socket) -> None:
    """Close with a reset, not with a goodbye."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    except OSError:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Any

    def log_message(self, *args: Any) -> None:
        pass

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, claim: int = 0) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + claim))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if claim:
            self.close_connection = True

    def _stream(
        self, state: LanguageServer, block: bytes, *, count: int, headers: dict[str, str] | None = None
    ) -> None:
        """Send a block again and again, until the client hangs up."""
        self.send_response(200)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(block) * count))
        self.end_headers()
        self.close_connection = True
        try:
            for _ in range(count):
                self.wfile.write(block)
                state.sent += len(block)
        except OSError:
            pass

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps({"error": {"message": message, "code": status}}).encode(), headers)

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "")
        if self.server.state.key in (None, given.removeprefix("Bearer ")):
            return True
        self._error(401, f"wrong key: {given.removeprefix('Bearer ')}")
        return False

    def do_GET(self) -> None:
        if self.path == "/version":
            self._send(200, b'{"version": "0.0-fake"}')
        elif self.path == "/v1/models" and self._allowed():
            length = {} if self.server.state.context is None else {"max_model_len": self.server.state.context}
            data = [
                {"id": m, "object": "model", "created": 1, "owned_by": "vllm", "root": f"weights/{m}", **length}
                for m in self.server.state.models
            ]
            self._send(200, json.dumps({"object": "list", "data": data}).encode())
        elif self.path not in ("/version", "/v1/models"):
            self._error(404, "no such page")

    def do_POST(self) -> None:
        state: LanguageServer = self.server.state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            return self._send(200, json.dumps({"count": len(prompt_of(body).split())}).encode())
        if not self._allowed():
            return None
        with state.lock:
            state.in_flight += 1
            crowded = state.in_flight > state.capacity
            state.refused += crowded
            if not crowded:
                state.requests.append(body)
                state.most_in_flight = max(state.most_in_flight, state.in_flight)
        try:
            if crowded:
                return self._error(429, "too many requests", {"Retry-After": "0.05"})
            time.sleep(state.delay_s)
            return self._complete(state, body)
        finally:
            with state.lock:
                state.in_flight -= 1

    def _complete(self, state: LanguageServer, body: dict[str, Any]) -> None:
        prompt = prompt_of(body)
        fault = state.next_fault(prompt)
        text, reason = good_text(prompt, body["seed"]), "stop"
        if state.answered >= state.lasts:
            fault = "500"
        if fault == "429":
            return self._error(429, "too many requests", {"Retry-After": "0.3"})
        if fault in ("500", "503"):
            return self._error(int(fault), "EngineCore encountered an issue")
        if fault in ("400", "404"):
            return self._error(int(fault), "This model's maximum context length is 8 tokens.")
        if fault == "drop":
            self.close_connection = True
            return self.connection.close()
        if fault == "garbage":
            return self._send(200, b"<html>proxy</html>")
        if fault == "huge":
            return self._stream(state, b" " * (1 << 16), count=1600)
        if fault == "bomb":
            return self._stream(
                state, gzip.compress(bytes(200 << 20), 1), count=1, headers={"Content-Encoding": "gzip"}
            )
        if fault is not None and fault.startswith("status:"):
            _, status, content = fault.split(":", 2)
            return self._send(int(status), content.encode())
        if fault == "hang":
            state.closing.wait(30)
            self.close_connection = True
            return None
        if fault is not None and fault.startswith("wait:"):
            time.sleep(float(fault.removeprefix("wait:")))
        if fault is not None and fault.startswith("text:"):
            text = fault.removeprefix("text:")
        if fault == "length":
            text, reason = text[:40], "length"
        if fault == "empty":
            text = ""
        choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split()), "total_tokens": 0}
        reply = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"], "usage": usage}
        reply["choices"] = [] if fault == "no choices" else [choice]
        if fault is not None and fault.startswith("reply:"):
            reply |= json.loads(fault.removeprefix("reply:"))
        if fault is not None and fault.startswith("message:"):
            choice |= {"message": json.loads(fault.removeprefix("message:"))}
        if fault is not None and fault.startswith("choice:"):
            choice |= json.loads(fault.removeprefix("choice:"))
        content = json.dumps(reply).encode()
        if fault == "reset":
            self._send(200, content[: len(content) // 2], claim=len(content) // 2)
            return reset(self.connection)
        if fault == "truncated":
            return self._send(200, content[: len(content) // 2])
        self._send(200, content, claim=64 if fault == "half" else 0)
        with state.lock:
            state.answered += 1
        return None


@pytest.fixture
def language_server() -> Iterator[LanguageServer]:
    """A running server; its `url` ends in /v1."""
    state = LanguageServer()
    state.start()
    yield state
    state.stop()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short; a Retry-After still counts."""
    from pipeline.texts.llm import client

    monkeypatch.setattr(client, "WAIT_FIRST", 0.01)
    monkeypatch.setattr(client, "WAIT_MOST", 0.05)
    monkeypatch.setattr(client, "JITTER", 0.0)
    monkeypatch.setattr(client, "LOOK_AGAIN", 0.05)
