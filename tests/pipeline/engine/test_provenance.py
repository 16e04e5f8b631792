from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipeline.engine import provenance
from pipeline.engine.graph import NAMES

SOURCE = """
from pipeline.engine import graph, run as runner
import pipeline.errors, models.clip as clip
from pipeline.store import (
    digest,  # pipeline.work
    store as stores,
)
def f():
    try:
        import pipeline.config.tree
    except ImportError: import elsewhere
    from pipeline.store.store import Store
    # from pipeline.work import work
"""


def test_an_import_is_found_in_whatever_way_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE)
    found = {str(file.relative_to(provenance.ROOT)) for file in provenance.imports(tmp_path / "a.py")}
    assert found == {
        *("pipeline/engine/__init__.py", "pipeline/engine/graph.py", "pipeline/engine/run.py", "pipeline/errors.py"),
        *("models/clip.py", "pipeline/store/__init__.py", "pipeline/store/digest.py", "pipeline/store/store.py"),
        "pipeline/config/tree.py",
    }


def test_no_import_of_our_code_is_overlooked() -> None:
    """The statements of the syntax trees of all our files."""
    for folder in provenance.OURS:
        for file in (provenance.ROOT / folder).rglob("*.py"):
            names = set()
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
            paths = [provenance.ROOT.joinpath(*n.split(".")) for n in names if n.split(".")[0] in provenance.OURS]
            wanted = {p for path in paths for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()}
            assert set(provenance.imports(file)) == wanted, file


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
