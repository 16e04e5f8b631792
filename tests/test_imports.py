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


@pytest.mark.parametrize(
    ("stage", "without"),
    [
        ("evaluation", "torch"),  # 0.5 GB and two seconds
        ("annotations", "torch"),
        ("predictions", "open_clip torchvision"),  # the same again
        ("detections", "open_clip torchvision"),
    ],
)
def test_a_stage_does_not_import_what_it_has_no_use_for(stage: str, without: str) -> None:
    code = f"import sys, pipeline.stages.{stage}; print([m for m in {without.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FIRST_USE = """
import sys
from types import SimpleNamespace

import torch
from PIL import Image

from models.clip import Clip, Tokenizer
from models.instances import select

assert not {"open_clip", "torchvision"} & set(sys.modules)
box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
kept = select(box, torch.tensor([0.9]), torch.tensor([0]), score_threshold=0.2, nms=0.5, least=1, most=2)
net = SimpleNamespace(visual=SimpleNamespace(preprocess_cfg={"size": 8}))
clip = Clip(net=net, tokenizer=Tokenizer())
pixels = clip.preprocess()(Image.new("RGB", (9, 9)))
print(kept.tolist(), clip.tokenizer.size, tuple(pixels.shape))
"""


def test_what_is_imported_at_its_first_use_is_there_then() -> None:
    """This runs in a fresh process, since in that of the tests something else has imported it."""
    done = subprocess.run([sys.executable, "-c", FIRST_USE], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.strip() == "[0] 49408 (3, 8, 8)"


HICO_TABLES = ("pipeline.datasets.hico.vocabulary", "pipeline.datasets.hico.settings")
HICO_FORMATS = (
    "pipeline/datasets/hico/",
    "pipeline/metrics/formats/matlab.py",
    "pipeline/metrics/formats/qpic.py",
    "pipeline/texts/given/released.py",
    "pipeline/learned/released_text.py",
)
"""The files that are about HICO-DET's own classes and no others."""
REFUSALS = ("demand", "is_hico")
"""What others may ask of them: whether a vocabulary is HICO-DET's."""


def uses_of_hico(file: str, source: str) -> list[str]:
    """The imports of HICO-DET's table in a module that is none of HICO-DET's formats."""
    if file.startswith(HICO_FORMATS):
        return []
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in HICO_TABLES}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names if alias.name not in REFUSALS}
            found |= {name for name in names if name.startswith(HICO_TABLES)}
    return [f"{file} imports {name}" for name in sorted(found)]


def test_only_the_formats_of_hico_know_its_table() -> None:
    files = [f for package in FORBIDDEN for f in sorted((ROOT / package).rglob("*.py"))]
    assert [line for f in files for line in uses_of_hico(str(f.relative_to(ROOT)), f.read_text())] == []


def test_that_walk_names_an_offender() -> None:
    for source, name in (
        ("from pipeline.datasets.hico.vocabulary import HICO", "pipeline.datasets.hico.vocabulary.HICO"),
        ("def f():\n    from pipeline.datasets.hico import settings", "pipeline.datasets.hico.settings"),
        ("import pipeline.datasets.hico.vocabulary", "pipeline.datasets.hico.vocabulary"),
    ):
        assert uses_of_hico("pipeline/stages/seen.py", source) == [f"pipeline/stages/seen.py imports {name}"], source
    assert uses_of_hico("pipeline/metrics/export.py", "from pipeline.datasets.hico.vocabulary import demand") == []


def kept_vocabularies(source: str) -> list[str]:
    """Names under which a module keeps a vocabulary: a value at its top, or the answer of a function with a cache."""
    tree, found = ast.parse(source), []
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            found += [ast.unparse(node)] if "vocabulary(" in ast.unparse(node.value).lower() else []
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.returns is not None):
        cached = {ast.unparse(d).split("(")[0] for d in function.decorator_list} & {"cache", "lru_cache"}
        found += [function.name] if cached and "Vocabulary" in ast.unparse(function.returns) else []
    return found


def test_no_module_keeps_a_vocabulary() -> None:
    """It is passed down as an argument; the constant of HICO-DET's formats is the one exception."""
    files = {str(f.relative_to(ROOT)): f for f in sorted((ROOT / "pipeline").rglob("*.py"))}
    found = {name: kept for name, file in files.items() if (kept := kept_vocabularies(file.read_text()))}
    assert found == {"pipeline/datasets/hico/vocabulary.py": ["HICO = _vocabulary()"]}
    assert kept_vocabularies("@lru_cache\ndef words() -> Vocabulary: ...\nHERE = read_vocabulary(PATH)") == [
        "HERE = read_vocabulary(PATH)",
        "words",
    ]


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
    assert undeclared(sources(*FORBIDDEN), declared("video")) == []
    assert undeclared(sources("tests"), declared() | declared("dev")) == []


def test_a_package_that_only_others_ask_for_is_named() -> None:
    """certifi comes with httpx, and PyYAML is imported by another name."""
    source = "import certifi, yaml, json\nfrom markdown_it import MarkdownIt\nfrom pipeline import plan"
    file = {Path("flows/some.py"): source}
    assert undeclared(file, {"pyyaml", "markdown-it-py"}) == ["flows/some.py imports certifi"]
    assert undeclared(file, {"markdown-it-py"}) == ["flows/some.py imports certifi", "flows/some.py imports yaml"]
