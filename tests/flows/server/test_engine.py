"""The process of a run; workers of `ezhoi up` execute runs by it in tests/flows/server/test_local.py."""

from __future__ import annotations

import gc
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import prefect.flow_engine  # noqa: F401
import pytest

from flows.server import engine

HERE = Path(engine.__file__).parent
ROOT = str(HERE.parents[1])


@pytest.mark.parametrize(
    ("path", "becomes"),
    [
        ([str(HERE), "/packages"], [ROOT, "/packages"]),
        (["/packages", "/another/checkout", ROOT], [ROOT, "/packages", "/another/checkout"]),
    ],
    ids=["started as a file", "where another checkout is installed"],
)
def test_it_is_prefects_engine_in_a_session_of_its_own_with_the_workers_code(
    path: list[str], becomes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(os, "setsid", lambda: done.append("session"))
    monkeypatch.setattr(runpy, "run_module", lambda name, **options: done.append((name, options["run_name"])))
    monkeypatch.setattr(
        sys, "path", list(path)
    )  # prefect.flow_engine has been imported, so that nothing is searched for
    engine.main()
    gc.unfreeze()
    assert done == ["session", ("prefect.engine", "__main__")] and gc.isenabled() and sys.path == becomes


def test_a_process_that_leads_a_group_already_is_left_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError

    begun: list[str] = []
    monkeypatch.setattr(os, "setsid", refuse)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(runpy, "run_module", lambda name, **options: begun.append(name))
    engine.main()
    gc.unfreeze()
    assert begun == ["prefect.engine"]
