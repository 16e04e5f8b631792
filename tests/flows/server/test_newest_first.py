"""Artifacts in the order in which they were made, whatever way a question for them comes in pieces."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from flows.server import newest_first
from flows.server.newest_first import NewestFirst, sorted_by_time


def test_only_the_random_order_is_replaced() -> None:
    assert json.loads(sorted_by_time(b'{"limit": 3}')) == {"limit": 3, "sort": "CREATED_DESC"}
    assert json.loads(sorted_by_time(b'{"sort": "ID_DESC", "offset": 0}')) == {"sort": "CREATED_DESC", "offset": 0}
    assert json.loads(sorted_by_time(b"")) == {"sort": "CREATED_DESC"}
    for other in (b'{"sort": "KEY_ASC"}', b"[]", b"{", b"\xff", b"[" * 100_000):
        assert sorted_by_time(other) == other


def asked(path: str, *pieces: bytes, method: str = "POST") -> tuple[bytes, dict[bytes, bytes]]:
    """What Prefect's application gets of a request: body and headers."""
    sent = [{"type": "http.request", "body": p, "more_body": i + 1 < len(pieces)} for i, p in enumerate(pieces)]
    length = str(sum(map(len, pieces))).encode()
    got: list[Any] = []

    async def receive() -> Any:
        return sent.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async def prefect(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        got.extend([body, dict(scope["headers"])])

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-length", length), (b"x", b"y")]}
    asyncio.run(NewestFirst(prefect)(scope, receive, send))
    return got[0], got[1]


def test_a_question_in_pieces_arrives_whole_with_its_new_length() -> None:
    body, headers = asked(newest_first.PATH, b'{"sort": "ID', b'_DESC"}', b"")
    assert json.loads(body) == {"sort": "CREATED_DESC"}
    assert headers == {b"content-length": str(len(body)).encode(), b"x": b"y"}


@pytest.mark.parametrize(("path", "method"), [("/api/flow_runs/filter", "POST"), (newest_first.PATH, "GET")])
def test_other_questions_stay_as_they_are(path: str, method: str) -> None:
    assert asked(path, b"{", b"}", method=method) == (b"{}", {b"content-length": b"2", b"x": b"y"})


def test_a_question_without_end_is_passed_on_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_first, "LARGEST", 4)
    body, headers = asked(newest_first.PATH, b'{"a":', b" 1", b"}")
    assert body == b'{"a": 1}' and headers[b"content-length"] == b"8"
