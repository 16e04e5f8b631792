"""The house has rooms, and they lie on floors: nobody imports upwards, nobody in a circle, stages never import stages.

A room is a folder of `pipeline/` or `flows/`; what stands loose in `flows/` are the entry points of `prefect.yaml`. Imports
inside functions and under `TYPE_CHECKING` count as well: they hide a dependency, they do not remove it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "models",
    "pipeline.errors",
    "pipeline.machine",
    "pipeline.outside",
    "pipeline.config",
    "pipeline.tables",
    "pipeline.vocabulary",
    "pipeline.store",
    "pipeline.work",
    "pipeline.datasets",
    "pipeline.texts",
    "pipeline.boxes",
    "pipeline.learned",
    "pipeline.metrics",
    "pipeline.training",
    "pipeline.predict",
    "pipeline.report",
    "pipeline.tiny",
    "pipeline.engine",
    "pipeline.studies",
    "pipeline.stages",
    "flows.server",
    "flows.pages",
    "flows",
    "flows.cli",
)
"""From the ground up: a room may import itself and those before it."""
LOOSE = {"pipeline": {"errors"}, "flows": {"ezhoi", "ablate", "predict", "share", "study"}}
"""Modules that lie in no room: the errors, and the entry points of `prefect.yaml`."""
OURS = ("models", "pipeline", "flows")
Import = tuple[int, str]
"""(line, module that is imported)"""


def modules() -> dict[str, Path]:
    """{dotted name: file} of all modules of the project, packages included."""
    found = {}
    for top in OURS:
        for file in sorted((ROOT / top).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(source: str, known: Mapping[str, object]) -> Iterator[Import]:
    """The project's modules that a file imports, with the line."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide the direction"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.append(full if full in known else node.module or "")
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in dict.fromkeys(names):
            if name.split(".")[0] in OURS:
                assert name in known, f"line {node.lineno}: no module {name}"
                yield node.lineno, name


def room_of(module: str) -> str:
    """The room that a module lies in: the longest name of `ROOMS` that it begins with."""
    fitting = [room for room in ROOMS if module == room or module.startswith(f"{room}.")]
    assert fitting, f"{module} lies in no room of ROOMS (tests/test_rooms.py)"
    return max(fitting, key=len)


def upward(module: str, file: Path, found: list[Import]) -> list[str]:
    """The imports of a module that break the order, as a person reads them."""
    own = room_of(module)
    return [
        f"{file.relative_to(ROOT)}:{line}: {own} imports {name}, and {room_of(name)} lies above {own}"
        for line, name in found
        if ROOMS.index(room_of(name)) > ROOMS.index(own)
    ]


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """One circle for every module that can come back to itself, as the modules on the way."""
    found, done = [], set()
    for start in graph:
        if start in done:
            continue
        ways = [[start]]
        seen = {start}
        while ways:
            way = ways.pop()
            for following in sorted(graph.get(way[-1], ())):
                if following == start:
                    found.append([*way, start])
                    done |= set(way)
                elif following not in seen:
                    seen.add(following)
                    ways.append([*way, following])
    return found


def test_nobody_imports_upwards() -> None:
    known = modules()
    packages = {"pipeline", "flows"}
    offences = [
        line
        for module, file in known.items()
        if module not in packages
        for line in upward(module, file, list(imports(file.read_text(encoding="utf-8"), known)))
    ]
    assert offences == []


def test_nobody_imports_in_a_circle() -> None:
    known = modules()
    graph = {
        module: {name for _, name in imports(file.read_text(encoding="utf-8"), known)} - {module}
        for module, file in known.items()
    }
    assert circles(graph) == []


@pytest.mark.parametrize("top", LOOSE)
def test_nothing_lies_loose(top: str) -> None:
    assert {file.stem for file in (ROOT / top).glob("*.py")} - {"__init__"} == LOOSE[top]


def test_stages_never_import_stages() -> None:
    known = modules()
    for module, file in known.items():
        if module.startswith("pipeline.stages."):
            others = [n for _, n in imports(file.read_text(encoding="utf-8"), known) if n.startswith("pipeline.stages")]
            assert others == [], f"{module} imports {others}"


def test_only_the_door_of_the_store_knows_that_there_are_object_stores() -> None:
    """A store on this disk works without the remote room."""
    known, remote = modules(), "pipeline.store.remote"
    knowing = {
        module
        for module, file in known.items()
        if not module.startswith(remote)
        and any(name.startswith(remote) for _, name in imports(file.read_text(encoding="utf-8"), known))
    }
    assert knowing == {"pipeline.store.opening"}


def test_every_room_says_what_it_knows() -> None:
    for module, file in modules().items():
        if file.name == "__init__.py":
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), f"{module} has no docstring"


def test_offenders_are_named() -> None:
    known = modules()
    source = "def f():\n    from pipeline.engine import plan\n"
    file = ROOT / "pipeline" / "store" / "store.py"
    (line,) = upward("pipeline.store.store", file, list(imports(source, known)))
    assert line == (
        "pipeline/store/store.py:2: pipeline.store imports pipeline.engine.plan, "
        "and pipeline.engine lies above pipeline.store"
    )
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c", "a"]]
    assert circles({"a": {"b"}, "b": set()}) == []
