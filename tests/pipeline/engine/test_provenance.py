from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipeline.engine import provenance
from pipeline.engine.graph import NAMES

SOURCE = """
from a import one
import b.two
def f():
    try:
        import c
    except ImportError:
        import d
    else:
        import e
    finally:
        import f
    if True:
        pass
    elif f():
        import g
    with f() as x:
        import h
    match f:
        case 1:
            import i
    async def inner():
        for _ in []:
            import j
class C:
    import k
"""


def test_no_nested_import_is_overlooked() -> None:
    tree = ast.parse(SOURCE)
    kinds = (ast.Import, ast.ImportFrom)
    found = [ast.dump(n) for n in provenance._statements(tree) if isinstance(n, kinds)]
    assert sorted(found) == sorted(ast.dump(n) for n in ast.walk(tree) if isinstance(n, kinds)) and len(found) == 11


@pytest.mark.parametrize("stage", NAMES)
def test_a_stage_depends_on_what_it_imports_and_on_no_other_stage(stage: str) -> None:
    folder = provenance.ROOT / "pipeline" / "stages"
    files = provenance.closure(folder / f"{stage}.py")
    names = {str(f.relative_to(provenance.ROOT)) for f in files}
    assert "pipeline/work/work.py" in names and "pipeline/store/artifact.py" in names
    assert {n for n in names if n.startswith("pipeline/stages/")} <= {
        f"pipeline/stages/{stage}.py",
        "pipeline/stages/__init__.py",
    }


def test_outside_of_a_checkout_git_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provenance.git_state.cache_clear()
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.git_state() == (None, None)
    provenance.git_state.cache_clear()


def test_packages_are_those_installed() -> None:
    assert set(provenance.packages()) <= set(provenance.PACKAGES) and "numpy" in provenance.packages()


def test_an_error_of_pythons_own_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, errors = ast.parse, [SystemError("AST constructor recursion depth mismatch (before=72, after=78)")] * 3

    def parse(*arguments: object, **options: object) -> ast.AST:
        if errors:
            raise errors.pop()
        return real(*arguments, **options)  # type: ignore[call-overload, no-any-return]

    file = provenance.ROOT / "pipeline" / "engine" / "run.py"
    expected = provenance.imports(file)
    provenance.imports.cache_clear()
    monkeypatch.setattr(provenance.ast, "parse", parse)
    assert provenance.imports(file) == expected and not errors
