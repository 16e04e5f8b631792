"""There is one place for locks: nobody else calls flock."""

from __future__ import annotations

import ast
import errno
from pathlib import Path

import pytest

from pipeline.errors import StoreError
from pipeline.machine import locks

ROOT = Path(__file__).parents[3]


def importers(module: str) -> set[str]:
    """Files of the project that import a module, however."""
    found = set()
    for path in [path for top in ("models", "pipeline", "flows") for path in (ROOT / top).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if module in names or (isinstance(node, ast.ImportFrom) and node.module == module):
                found.add(str(path.relative_to(ROOT)))
    return found


def test_nobody_else_calls_flock() -> None:
    assert importers("fcntl") == {"pipeline/machine/locks.py"}


def test_of_two_one_has_it(tmp_path: Path) -> None:
    with (tmp_path / "a").open("a") as first, (tmp_path / "a").open("a") as second:
        assert locks.take(first, shared=True) and locks.take(second, shared=True)
        assert not locks.take(first), "the other one has a shared lock"
        second.close()
        assert locks.take(first)


def test_a_file_system_without_locks_is_named_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (tmp_path / "a").open("a") as file, pytest.raises(StoreError) as raised:
        locks.take(file, elsewhere="set EZHOI_HOME to a folder on another one")
    assert str(raised.value) == (
        f"the file system of {tmp_path / 'a'} has no file locks (flock: No locks available), which keep two runs apart. "
        "Mount it with them (Lustre: -o flock), or set EZHOI_HOME to a folder on another one."
    )
