"""The pages of a run whose server does not answer; tests/flows/test_flow.py has those of one that does."""

import threading
import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.actions import ArtifactCreate

from flows.pages.lineage import RunPages


class Server:
    """A client whose server answers, refuses, or is gone."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers, self.asked = list(answers), 0
        self.open = threading.Event()

    def create_artifact(self, page: ArtifactCreate) -> Any:
        assert self.open.wait(60)
        self.asked += 1
        if (error := self.answers.pop(0)) is not None:
            raise error
        return SimpleNamespace(id=uuid4())


GONE = httpx.ConnectError("nobody listens")
REFUSED, PROXY = (
    httpx.HTTPStatusError(str(status), request=httpx.Request("POST", "http://x"), response=httpx.Response(status))
    for status in (409, 502)
)


def published(server: Server, pages: int) -> list[UUID | None]:
    """What becomes of so many pages that wait when the run ends."""
    run = RunPages(server, SimpleNamespace(against="another run"), flow_run=None)  # type: ignore[arg-type]
    found: list[UUID | None] = []
    for number in range(pages):
        page = ArtifactCreate(key=f"page-{number}", type="markdown", data="text")
        run._submit(lambda page=page: found.append(run._create(page)))

    closing(run, server)
    return found


def closing(run: RunPages, server: Server) -> None:
    """End the run; the server answers only then."""

    def answer() -> None:
        while not run._closing:
            time.sleep(0.01)
        server.open.set()

    threading.Thread(target=answer, daemon=True).start()
    run.close([], state="failed")


@pytest.mark.parametrize("gone", [GONE, PROXY], ids=["nobody", "a proxy"])
def test_pages_that_wait_are_given_up_once_the_server_does_not_answer(
    gone: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(gone, None, None)
    assert published(server, 3) == [None, None, None] and server.asked == 1
    assert f"an artifact page could not be published: {gone}" in caplog.text
    assert "the page page-2 is given up: the server does not answer" in caplog.text


def test_a_server_that_is_back_when_the_run_ends_is_asked_again() -> None:
    server = Server(GONE, None)
    server.open.set()
    run = RunPages(server, SimpleNamespace(against="another run"), flow_run=None)  # type: ignore[arg-type]
    page = ArtifactCreate(key="page", type="markdown", data="text")
    assert run._create(page) is None, "a page of a stage, while the run goes on"
    found: list[UUID | None] = []
    server.open.clear()
    run._submit(lambda: found.append(run._create(page)))
    closing(run, server)
    assert found[0] is not None


def test_a_page_that_is_refused_keeps_no_other_from_being_tried() -> None:
    server = Server(REFUSED, None, None)
    first, *others = published(server, 3)
    assert first is None and all(others) and server.asked == 3
