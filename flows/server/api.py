"""The few calls of Prefect's REST API that the command line needs: importing Prefect itself takes seconds."""

from __future__ import annotations

import base64
import ipaddress
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.errors import ServiceError

if TYPE_CHECKING:
    import httpx  # an eighth of a second that commands without a server need not wait; so functions import it

# SQLite has one writer: while the server is starting up or busy it turns requests away, and asks to come again.
BUSY = frozenset({429, 502, 503})
BUSY_PAUSES = (0.3, 0.6, 1.2, 2.4, 4.8, 9.6)


def connect(url: str, *, headers: dict[str, str] | None = None, timeout: float = 30.0) -> httpx.Client:
    """A client of the server at `url`. A server on this machine is asked directly, whatever proxy the environment names."""
    import httpx

    return httpx.Client(
        base_url=url,
        headers=headers,
        timeout=timeout,
        trust_env=not on_this_machine(url),
        verify=url.startswith("https:"),  # reading certificates takes a while, and http uses none
        limits=httpx.Limits(max_keepalive_connections=0),  # a kept connection ends with the server, and fails its user
    )


def on_this_machine(url: str) -> bool:
    """Whether a URL's host is this machine's own address."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Api:
    """A Prefect server at `url`, for example http://127.0.0.1:4210/api.

    `password` is what Prefect calls PREFECT_API_AUTH_STRING, `key` PREFECT_API_KEY; the password goes first, as there.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str = "",
        key: str = "",
        headers: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = dict(headers or {})
        if password:
            self._headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
        elif key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout = timeout
        self._http: httpx.Client | None = None
        self._client = str(uuid.uuid4())
        self._token: dict[str, str] | None = None
        """Headers which prove that a change comes from somebody who can read the server's answers, not from a foreign page."""

    def get(self, path: str) -> Any:
        """Get the JSON under `path`; None if the server knows no such thing. ServiceError if it cannot be reached."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post to `path` and return the server's answer; None if the server knows no such thing.

        ServiceError, with the server's words, if it refuses or cannot be reached.
        """
        return self._call("POST", path, body)

    def healthy(self) -> bool:
        """Whether the server answers."""
        import httpx

        try:
            with connect(self.url, timeout=2.0) as http:
                return http.get("/health").is_success
        except httpx.HTTPError:
            return False

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        import httpx

        for pause in (*BUSY_PAUSES, None):
            try:
                answer = self._send(method, path, body)
                if answer.status_code == 404:
                    return None
                if answer.is_success:
                    return answer.json() if answer.content else None
            except (
                httpx.HTTPError,
                httpx.InvalidURL,
                ValueError,
                ImportError,
            ) as error:  # ImportError: a proxy of an unknown kind
                message = f"the Prefect server at {self.url} does not answer ({error}). Start it: `ezhoi up`."
                raise ServiceError(message) from None
            if answer.status_code == 401:
                raise ServiceError(
                    f"the Prefect server at {self.url} wants another password: commands of this checkout know that of "
                    "`ezhoi up`, that of any other server belongs into PREFECT_API_AUTH_STRING"
                )
            if answer.status_code not in BUSY or pause is None:
                raise ServiceError(f"the Prefect server at {self.url} refused {path}: {_detail(answer)}")
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        if self._http is None:
            self._http = connect(self.url, headers=self._headers, timeout=self._timeout)
        if method == "GET":
            return self._http.get(path)
        for _ in range(2):
            if self._token is None:
                asked = self._http.get("/csrf-token", params={"client": self._client})
                if asked.is_success:
                    self._token = {"Prefect-Csrf-Token": asked.json()["token"], "Prefect-Csrf-Client": self._client}
                elif asked.status_code in (404, 422):  # a server that asks for none
                    self._token = {}
                else:
                    return asked
            answer = self._http.request(method, path, json=body, headers=self._token)
            if answer.status_code != 403 or "CSRF" not in answer.text:
                break
            self._token = None  # it is an hour old, or the server another one
        return answer


def cancel_run(api: Api, run: str, *, why: str) -> None:
    """Have the server cancel a run.

    It makes `CANCELLED` at once of a run that waits, and has the worker end one that it has taken. Were `CANCELLED` proposed
    from here, a worker that takes the run at this moment would leave that state again.
    """
    api.post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "message": why}})


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text or answer.reason_phrase
    return f"{answer.status_code}, {detail}"
