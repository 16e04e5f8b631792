"""The few calls of Prefect's REST API that the command line needs: importing Prefect itself takes seconds."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from pipeline.errors import ServiceError

# A proxy of the environment must not get between us and a server on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
        try:
            with _OPENER.open(request, timeout=self.timeout) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise ServiceError(f"the Prefect server at {self.url} refused {path}: {_detail(error)}") from None
        except (OSError, ValueError) as error:
            message = f"the Prefect server at {self.url} does not answer ({error}). Start it: `ezhoi up`."
            raise ServiceError(message) from None
        return json.loads(text) if text else None


def _detail(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = text or error.reason
    return f"{error.code}, {detail}"
