"""Make the server list the newest artifacts of a run first; Prefect's pages ask for them by their ids, which are random.

A run publishes its results last, so they then come first. The question is changed before it reaches Prefect: where artifacts
are asked for in order of id, or in no order, they are asked for in order of time.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from flows.server.asgi import App, Receive, Scope, Send

PATH = "/api/artifacts/filter"
LARGEST = 1 << 20
"""The most bytes of a request that is changed; a larger one passes unchanged."""


class NewestFirst:
    """An ASGI application that stands before that of Prefect."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more and len(body) <= LARGEST:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        asked = body if more else sorted_by_time(body)
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length" or more]
        if not more:
            headers.append((b"content-length", str(len(asked)).encode()))
        first = [{"type": "http.request", "body": asked, "more_body": more}]

        async def again() -> MutableMapping[str, Any]:
            return first.pop() if first else await receive()

        await self._app({**scope, "headers": headers}, again, send)


def sorted_by_time(body: bytes) -> bytes:
    """The request for artifacts with the newest first, if it names no other order; any other request stays unchanged."""
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return body
    if not isinstance(asked, dict) or asked.get("sort", "ID_DESC") != "ID_DESC":
        return body
    return json.dumps(asked | {"sort": "CREATED_DESC"}).encode()
