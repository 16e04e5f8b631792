"""Every file is UTF-8, whatever the locale: no text is read, written or decoded without saying so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(p for folder in ("models", "pipeline", "flows") for p in (ROOT / folder).rglob("*.py"))
TEXT_MODES = frozenset("rwaxt+")


def undecided(source: str) -> list[int]:
    """Lines of calls that leave the encoding to the locale."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and _leaves_it(node)]


def _leaves_it(call: ast.Call) -> bool:
    given = {keyword.arg for keyword in call.keywords}
    if given & {"encoding", None}:  # None: **options
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "read_text":
        return not call.args
    if name == "write_text":
        return len(call.args) < 2
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        return _in_text_mode(call, name)
    return name in ("run", "Popen", "check_output") and bool({"text", "universal_newlines"} & given)


def _in_text_mode(call: ast.Call, name: str) -> bool:
    method = isinstance(call.func, ast.Attribute) and name == "open"  # path.open(mode), but also Image.open(path)
    place = 0 if method or name.endswith("TemporaryFile") else 1
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"] or call.args[place : place + 1]
    if not modes:
        return not call.args if method else not name.endswith("TemporaryFile")
    mode = modes[0].value if isinstance(modes[0], ast.Constant) else None
    if not isinstance(mode, str):
        return not method
    return set(mode) <= TEXT_MODES


@pytest.mark.parametrize(
    ("source", "leaves_it"),
    [
        ("path.read_text()", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text('x')", True),
        ("path.open()", True),
        ("path.open('a')", True),
        ("path.open('rb')", False),
        ("path.open('w', encoding='utf-8')", False),
        ("open(path)", True),
        ("open(path, 'wb')", False),
        ("os.fdopen(handle, 'w')", True),
        ("Image.open(path)", False),
        ("subprocess.run(line, text=True)", True),
        ("subprocess.run(line, text=True, encoding='utf-8')", False),
        ("subprocess.run(line, capture_output=True)", False),
    ],
)
def test_what_counts(source: str, leaves_it: bool) -> None:
    assert undecided(source) == ([1] if leaves_it else [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_leaves_it_to_the_locale(path: Path) -> None:
    assert undecided(path.read_text(encoding="utf-8")) == []
