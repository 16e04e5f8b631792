"""The process that `ezhoi up` starts: Prefect's own server behind a gate. `python -m flows.server.prefect_server PORT`

A browser lets any page send requests to this machine, and the host name of a page may be pointed at it after the page was
loaded (DNS rebinding). The gate admits a request only if it names the server by an address of this machine and, if it comes
from a page, from a page of this server. It works before the password, and also without one (`ezhoi up --no-password`).
"""

from __future__ import annotations

import re
import sys

from flows.server.asgi import App, Receive, Scope, Send
from flows.server.newest_first import NewestFirst

HOST = "127.0.0.1"
OWN = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
"""This machine as a request names it. The port may be another one, such as that of a tunnel."""


def origins(port: int) -> tuple[str, ...]:
    """The origins of the server's own pages."""
    return (f"http://127.0.0.1:{port}", f"http://localhost:{port}")


class Gate:
    """Refuses requests and sockets that name a foreign host or come from a foreign page."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._origins = origins(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        kind = scope["type"]
        if kind == "lifespan" or self.admits(scope["headers"]):
            await self._app(scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "foreign host or origin"})
        else:
            body = b'{"detail": "This server answers to its own pages, and to its own address on this machine."}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    def admits(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether the request has one Host, which is this machine, and its Origin, if it has one, is the same place."""
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        sent_by = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        if len(hosts) != 1 or OWN.fullmatch(hosts[0]) is None:
            return False
        own = {*self._origins, f"http://{hosts[0]}", f"https://{hosts[0]}"}
        return all(origin in own for origin in sent_by)


def serve(port: int) -> None:
    """Serve until a signal ends it; its environment configures it (`flows.server.local.server_environment`)."""
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(Gate(NewestFirst(create_app(final=True)), port), host=HOST, port=port, log_level="warning")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
