"""Text files are UTF-8 whatever the locale: nothing reads or writes one, or a command's words, in the locale's encoding."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def offences(source: str) -> list[int]:
    """Lines of the calls that read or write text and do not say in which encoding."""
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return [call.lineno for call in calls if _is_text(call) and "encoding" not in {k.arg for k in call.keywords}]


def _is_text(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Attribute)
    given = {k.arg for k in call.keywords}
    match call.func.attr:
        case "read_text":
            return not call.args
        case "write_text":
            return len(call.args) < 2
        case "run" | "Popen" | "check_output":
            return bool(given & {"text", "universal_newlines"})
        case "open":
            mode = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "mode"), None)
            if mode is None:
                return not given
            return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= set("rwaxt+")
    return False


@pytest.mark.parametrize("package", ["models", "pipeline", "flows"])
def test_every_text_is_utf_8(package: str) -> None:
    found = {str(f.relative_to(ROOT)): offences(f.read_text(encoding="utf-8")) for f in (ROOT / package).rglob("*.py")}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_what_is_found() -> None:
    assert offences("path.read_text()") == offences("path.open()") == offences("path.open('w')") == [1]
    assert offences("path.write_text('x')") == offences("run.run(line, text=True)") == [1]
    assert not offences("path.open('rb')\nimages.open(3)\npath.read_text(encoding='utf-8')\nImage.open(path)")
