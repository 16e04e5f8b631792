"""The few calls of Prefect's REST API that the command line needs: importing Prefect itself takes seconds."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from pipeline.errors import ServiceError

# A proxy of the environment must not get between us and a server on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# SQLite has one writer: while the server is starting up or busy it turns requests away, and asks to come again.
BUSY = frozenset({429, 502, 503})
BUSY_PAUSES = (0.3, 0.6, 1.2, 2.4, 4.8, 9.6)


class Api:
    """A Prefect server at `url`, for example http://127.0.0.1:4210/api."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout

    def get(self, path: str) -> Any:
        """The JSON under `path`, or None if the server knows no such thing. ServiceError if it cannot be reached."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The server's answer, or None if it knows no such thing.

        Raises ServiceError with the server's words if it refuses, or if it cannot be reached.
        """
        return self._call("POST", path, body)

    def healthy(self) -> bool:
        """Whether the server answers."""
        try:
            return bool(Api(self.url, timeout=2.0).get("/health"))
        except ServiceError:
            return False

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        for pause in (*BUSY_PAUSES, None):
            try:
                with _OPENER.open(request, timeout=self.timeout) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                if error.code not in BUSY or pause is None:
                    message = f"the Prefect server at {self.url} refused {path}: {_detail(error)}"
                    raise ServiceError(message) from None
                time.sleep(pause)
            except (OSError, ValueError) as error:
                message = f"the Prefect server at {self.url} does not answer ({error}). Start it: `ezhoi up`."
                raise ServiceError(message) from None
        raise AssertionError("the last try returns or raises")


def _detail(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = text or error.reason
    return f"{error.code}, {detail}"
