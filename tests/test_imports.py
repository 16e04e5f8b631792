"""The house's one rule: models <- pipeline <- flows, and stages never import stages."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
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


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """Names of the distributions that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [one for extra in extras for one in project["optional-dependencies"][extra]]
    return {canonical(re.split(r"[^\w.-]", one)[0]) for one in asked}


def undeclared(files: dict[Path, str], known: set[str]) -> list[str]:
    """`file imports module` for each import of a package that is neither Python's, nor ours, nor in `known`."""
    ours = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"models", "pipeline", "flows", "tests"}
    owners = packages_distributions()
    found = set()
    for path, source in files.items():
        for top in {name.split(".")[0] for name in imported(source)} - ours - set(sys.stdlib_module_names):
            if not {canonical(name) for name in owners.get(top, [top])} & known:
                found.add(f"{path} imports {top}")
    return sorted(found)


def sources(*folders: str) -> dict[Path, str]:
    return {path.relative_to(ROOT): path.read_text() for name in folders for path in (ROOT / name).rglob("*.py")}


def test_every_package_that_is_imported_is_declared() -> None:
    assert undeclared(sources(*FORBIDDEN), declared()) == []
    assert undeclared(sources("tests"), declared() | declared("dev")) == []


def test_a_package_that_only_others_ask_for_is_named() -> None:
    """certifi comes with httpx, and PyYAML is imported by another name."""
    source = "import certifi, yaml, json\nfrom markdown_it import MarkdownIt\nfrom pipeline import plan"
    file = {Path("flows/some.py"): source}
    assert undeclared(file, {"pyyaml", "markdown-it-py"}) == ["flows/some.py imports certifi"]
    assert undeclared(file, {"markdown-it-py"}) == ["flows/some.py imports certifi", "flows/some.py imports yaml"]
