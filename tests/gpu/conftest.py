"""Tests on a GPU are for `make test-gpu`, which ends with the table of what they measured."""

from __future__ import annotations

from typing import Any

import kit
import pytest

TABLE = pytest.StashKey[kit.Table]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = kit.Table(device="cuda")


@pytest.fixture
def table(pytestconfig: pytest.Config) -> kit.Table:
    """Where measured rows go."""
    return pytestconfig.stash[TABLE]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    why = _unwanted(config) if any(item.get_closest_marker("gpu") for item in items) else ""
    for item in items:
        if why and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason=why))


def _unwanted(config: pytest.Config) -> str:
    """Why the tests on a GPU do not run; empty if they do."""
    import torch

    if not torch.cuda.is_available():
        return "needs a GPU that torch sees; none is seen here"
    return "" if "gpu" in config.option.markexpr else "takes a GPU for minutes: make test-gpu"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[TABLE].rows:
        terminalreporter.write_line("")
        terminalreporter.write_line(str(config.stash[TABLE]))
