"""The house's one rule: models <- pipeline <- flows, and stages never import stages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "models": ("pipeline", "flows", "prefect"),
    "pipeline": ("flows", "prefect"),
    "flows": (),
}
EVERYWHERE = ("pickle", "cloudpickle", "dill", "joblib")


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide the direction"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offences(file: Path, source: str) -> list[str]:
    relative = file.relative_to(ROOT)
    package = relative.parts[0]
    found = imported(source)
    wrong = {n for n in found if n.split(".")[0] in FORBIDDEN[package] + EVERYWHERE}
    if relative.parts[:2] == ("pipeline", "stages"):
        wrong |= {n for n in found if n.startswith("pipeline.stages")}
    return [f"{relative} imports {name}" for name in sorted(wrong)]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    assert [line for file in files for line in offences(file, file.read_text())] == []


def test_the_walk_names_an_offender() -> None:
    file = ROOT / "pipeline" / "stages" / "seen.py"
    source = "from pipeline.stages import utpl\nfrom flows.cli.app import app"
    assert "pipeline/stages/seen.py imports flows.cli.app" in offences(file, source)
    assert "pipeline/stages/seen.py imports pipeline.stages.utpl" in offences(file, source)


def test_planning_imports_neither_torch_nor_prefect_nor_pandas() -> None:
    code = (
        "import sys, pipeline.engine.graph, pipeline.engine.plan, pipeline.engine.run;"
        "print([m for m in ('torch', 'prefect', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_torch_never_loads_code() -> None:
    for package in FORBIDDEN:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    assert any(k.arg == "weights_only" for k in node.keywords), f"{file}:{node.lineno}"
