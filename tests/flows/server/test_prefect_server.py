"""Who gets in: not another user, not a foreign page, not a foreign name of this machine; the owner's browser does."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_prefect import PASSWORD, Served

from flows.server.api import Api
from flows.server.prefect_server import Gate
from pipeline.errors import ServiceError
from pipeline.machine.home import secret

EVIL = "https://evil.example"
NOBODY = 65534
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs Chromium on PATH and the package playwright",
)


@pytest.mark.parametrize(
    ("host", "origin", "admitted"),
    [
        ("127.0.0.1:4210", None, True),
        ("localhost:4210", None, True),
        ("LOCALHOST:4210", None, True),
        ("[::1]:4210", None, True),
        ("127.0.0.1", None, True),
        ("127.0.0.1:4210", "http://127.0.0.1:4210", True),
        ("127.0.0.1:4210", "http://localhost:4210", True),
        ("127.0.0.1:5000", "http://127.0.0.1:5000", True),  # a tunnel from another port
        ("127.0.0.1:4210", "http://127.0.0.1:9999", False),
        ("127.0.0.1:4210", EVIL, False),
        ("127.0.0.1:4210", "null", False),
        ("127.0.0.1:4210", "", False),
        ("evil.example:4210", None, False),
        ("evil.example:4210", "http://evil.example:4210", False),
        ("127.0.0.1.evil.example:4210", None, False),
        ("127.0.0.1:4210@evil.example", None, False),
        ("localhost.:4210", None, False),
        ("0.0.0.0:4210", None, False),
        ("127.0.0.1:4210/x", None, False),
        ("[::1", None, False),
        ("[::1]evil.example", None, False),
        ("127.0.0.1:4210,evil.example", None, False),
        ("127.0.0.1:evil", None, False),
        ("", None, False),
        (None, None, False),
    ],
)
def test_which_host_and_origin_are_our_own(host: str | None, origin: str | None, admitted: bool) -> None:
    headers = [(b"host", host.encode())] if host is not None else []
    headers += [(b"origin", origin.encode())] if origin is not None else []
    assert Gate(_never, 4210).admits(headers) is admitted
    assert not Gate(_never, 4210).admits([*headers, (b"host", b"127.0.0.1")]) or host is None


async def _never(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("the gate let it in")


def test_sockets_are_refused_too() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"host", b"127.0.0.1:4210"), (b"origin", EVIL.encode())]}
    asyncio.run(Gate(_never, 4210)(scope, receive, send))
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


def ask(api: Api, method: str, path: str, **headers: str) -> httpx.Response:
    """A request of somebody who knows no password, but all that a page could find out."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {} if method == "POST" else None
    return httpx.request(method, api.url + path, headers=names, json=body, trust_env=False, timeout=60)


@pytest.mark.slow
def test_nothing_is_told_or_done_without_the_password(api: Api) -> None:
    for path in (
        "/admin/version",
        "/admin/settings",
        "/csrf-token?client=me",
        "/block_types/slug/secret",
        "/openapi.json",
    ):
        assert ask(api, "GET", path).status_code == 401, path
    known = _token(api)
    for path in ("/flow_runs/filter", "/flows/", "/work_pools/", "/deployments/filter", "/logs/"):
        assert ask(api, "POST", path).status_code == 403, path
        assert ask(api, "POST", path, **known).status_code == 401, path
    wrong = Api(api.url, password=PASSWORD + "?")
    with pytest.raises(ServiceError, match="wants another password"):
        wrong.get("/admin/version")
    assert wrong.healthy() and api.get("/admin/version")


def _token(api: Api) -> dict[str, str]:
    """A token that the server takes: as if a page had got hold of one."""
    with httpx.Client(auth=("ezhoi", PASSWORD.partition(":")[2]), trust_env=False, timeout=60) as http:
        answer = http.get(f"{api.url}/csrf-token", params={"client": "me"})
    return {"Prefect_Csrf_Token": answer.json()["token"], "Prefect_Csrf_Client": "me"}


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server of `ezhoi up --no-password`: what keeps pages out there is the gate alone."""
    served = Served(tmp_path_factory.mktemp("unlocked"), password="")
    yield served.api
    served.stop()


@pytest.mark.slow
def test_a_foreign_page_and_a_foreign_name_get_nothing_even_without_a_password(unlocked: Api) -> None:
    assert ask(unlocked, "GET", "/admin/version").status_code == 200
    own = unlocked.url.removesuffix("/api")
    token = ask(unlocked, "GET", "/csrf-token?client=me").json()["token"]
    known = {"Prefect_Csrf_Token": token, "Prefect_Csrf_Client": "me"}
    assert ask(unlocked, "POST", "/flow_runs/filter", Origin=own, **known).status_code == 200
    assert ask(unlocked, "POST", "/flow_runs/filter", Origin=own).json() == {"detail": "Missing CSRF token."}
    port = own.rpartition(":")[2]
    foreign = [{"Origin": EVIL}, {"Origin": "null"}, {"Host": f"evil.example:{port}"}]
    for headers in foreign:
        for method, path in (
            ("GET", "/admin/version"),
            ("POST", "/flow_runs/filter"),
            ("OPTIONS", "/flow_runs/filter"),
        ):
            answer = ask(unlocked, method, path, **headers, **known, Access_Control_Request_Method="POST")
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers, (headers, method)
    allowed = ask(unlocked, "OPTIONS", "/flow_runs/filter", Origin=own, Access_Control_Request_Method="POST")
    assert allowed.headers["access-control-allow-origin"] == own


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_another_user_gets_in_nowhere(deployed: Api) -> None:
    """The deployment is there, and its worker would run what is asked for: another user cannot ask."""

    def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return subprocess.run(
            [*drop, *command], cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
        )

    deployment = deployed.get("/deployments/name/ezhoi/full")["id"]
    body = json.dumps({"state": {"type": "SCHEDULED"}, "job_variables": {"command": "id"}})
    code = (
        "import sys, urllib.error, urllib.request as r\n"
        f"for path in ('/deployments/{deployment}/create_flow_run', '/admin/version', '/csrf-token?client=x'):\n"
        f"    body = {body!r}.encode() if 'create' in path else None\n"
        f"    ask = r.Request('{deployed.url}' + path, data=body, headers={{'Content-Type': 'application/json'}})\n"
        "    try: print(r.build_opener(r.ProxyHandler({})).open(ask).status)\n"
        "    except urllib.error.HTTPError as error: print(error.code)\n"
    )
    before = deployed.post("/flow_runs/count", {})
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin") or sys.executable
    assert as_nobody(python, "-c", code).stdout.split() == ["403", "401", "401"]
    assert deployed.post("/flow_runs/count", {}) == before
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are closed to others anyway
        Path(folder).chmod(0o755)
        shown, hidden = Path(folder) / "shown", Path(folder) / "password"
        shown.write_text("all can read this")
        secret(hidden)
        assert as_nobody("cat", str(shown)).returncode == 0
        refused = as_nobody("cat", str(hidden))
        assert refused.returncode == 1 and "Permission denied" in refused.stderr and refused.stdout == ""


@pytest.mark.parametrize("place", ["profile", "environment"])
@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({"PREFECT_API_AUTH_STRING": "me:word"}, {"Authorization": "Basic bWU6d29yZA=="}),
        ({"PREFECT_API_KEY": "pnu_1"}, {"Authorization": "Bearer pnu_1"}),
        (
            {"PREFECT_API_KEY": "pnu_1", "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X-Gate": "open"}'},
            {"Authorization": "Bearer pnu_1", "X-Gate": "open"},
        ),
        ({}, {}),
    ],
)
def test_a_run_speaks_to_a_server_of_the_users_own_with_the_credentials_given_for_it(
    variables: dict[str, str], sent: dict[str, str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What helpers and the reaper send, as the profile or the environment says, which Prefect reads when it is imported."""
    from prefect.context import root_settings_context

    from flows.ezhoi import api_of_this_run

    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    known = {"PREFECT_API_URL": "https://prefect.example.org/api"} | variables
    if place == "environment":
        for name, value in known.items():
            monkeypatch.setenv(name, value)
        known = {}
    lines = ['active = "mine"', "[profiles.mine]", *(f"{name} = {json.dumps(value)}" for name, value in known.items())]
    (tmp_path / "profiles.toml").write_text("\n".join(lines))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "profiles.toml"))
    with root_settings_context():
        api = api_of_this_run()
    assert api is not None and (api.url, api._headers) == ("https://prefect.example.org/api", sent)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """Another site of this machine: its pages may load, and no more."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>Another site</h1>")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = HTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(tmp_path / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def tab() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = chromium.new_page(viewport={"width": 1500, "height": 1200})
        # The interface asks an analytics host for its settings; a test leaves this machine alone.
        opened.route(re.compile(r"^https?://(?!127\.0\.0\.1|localhost)"), lambda route: route.abort())
        opened.set_default_timeout(90_000)
        expect.set_options(timeout=90_000)
        yield opened
        chromium.close()


@pytest.mark.slow
@browser
def test_the_page_asks_for_the_password_once(deployed: Api, tab: Any) -> None:
    from playwright.sync_api import expect

    site = deployed.url.removesuffix("/api")
    tab.goto(f"{site}/v2/deployments")
    field = tab.locator("input[type=password]")
    expect(field).to_be_visible()
    assert tab.get_by_text("ablate").count() == 0
    field.fill(PASSWORD)
    field.press("Enter")
    expect(tab.get_by_role("link", name="ablate", exact=True).first).to_be_visible()
    tab.goto(f"{site}/v2/deployments")
    expect(tab.get_by_role("link", name="ablate", exact=True).first).to_be_visible()


STEAL = """
async ([server, client]) => {
    const found = {};
    const attempt = async (name, act) => { try { found[name] = await act(); } catch (error) { found[name] = "refused"; } };
    await attempt("read", async () => (await fetch(server + "/admin/version")).status);
    await attempt("token", async () => (await fetch(server + "/csrf-token?client=" + client)).status);
    await attempt("change", async () => (await fetch(server + "/variables/", {
        method: "POST", headers: {"Content-Type": "application/json"},
        body: JSON.stringify({name: "stolen", value: 1}) })).status);
    await attempt("blind", async () => (await fetch(server + "/variables/", {
        method: "POST", mode: "no-cors", body: JSON.stringify({name: "stolen", value: 1}) })).type);
    await attempt("socket", () => new Promise((resolve, reject) => {
        const socket = new WebSocket(server.replace("http", "ws") + "/events/in", "prefect");
        socket.onopen = () => resolve("open"); socket.onerror = reject; }));
    return found;
}
"""


@pytest.mark.slow
@browser
def test_a_foreign_page_in_a_browser_reads_and_changes_nothing(unlocked: Api, page: str, tab: Any) -> None:
    """At a server that asks for no password, so that nothing else keeps the page out."""
    tab.goto(page)
    found = tab.evaluate(STEAL, [unlocked.url, "me"])
    # What is sent blindly arrives, and is answered 403; the page cannot see that.
    assert found == {"read": "refused", "token": "refused", "change": "refused", "blind": "opaque", "socket": "refused"}
    assert unlocked.get("/variables/name/stolen") is None
    tab.goto(unlocked.url.removesuffix("/api") + "/v2/deployments")
    assert tab.evaluate(STEAL, [unlocked.url, "me"])["read"] == 200, "its own page may"
