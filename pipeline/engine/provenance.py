"""Where and with what an artifact was made: code, packages, machine."""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipeline.machine.home import in_checkout
from pipeline.store import digest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("models", "pipeline")
TRIES = 5
"""How often a file is parsed before an error of Python's own counts."""
PACKAGES = (
    "torch",
    "torchvision",
    "open_clip_torch",
    "transformers",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "prefect",
    "openai",
)


@cache
def code_digest(stage: str) -> str:
    """The digest of the stage's module and of all our modules that it imports, directly or indirectly."""
    files = closure(ROOT / "pipeline" / "stages" / f"{stage}.py")
    return digest.of_files((str(f.relative_to(ROOT)), digest.of_file(f)) for f in files)


def closure(start: Path) -> frozenset[Path]:
    """Our source files reachable from `start` by imports; `start` included."""
    found: set[Path] = set()
    pending = [start]
    while pending:
        file = pending.pop()
        if file not in found and file.is_file():
            found.add(file)
            pending += imports(file)
    return frozenset(found)


@cache
def imports(file: Path) -> tuple[Path, ...]:
    """Our files that a file imports anywhere in its text, packages' `__init__` included."""
    names = set()
    for node in _statements(_parsed(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = []
    for name in names:
        if name.split(".")[0] in OURS:
            path = ROOT.joinpath(*name.split("."))
            files += [p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()]
    return tuple(files)


def _parsed(file: Path) -> ast.Module:
    """The syntax tree of a file.

    Some versions of Python fail at random (SystemError: recursion depth mismatch), when their count of a tree's depth is
    disturbed from outside of the call. A further try gives the tree.
    """
    text = file.read_text(encoding="utf-8")
    for _ in range(TRIES):
        with contextlib.suppress(SystemError):
            return ast.parse(text, filename=str(file))
    return ast.parse(text, filename=str(file))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, including nested ones. Expressions, which are most of the nodes, hold no import and are not entered."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            pending += getattr(node, field, ())
        yield node


@cache
def packages() -> dict[str, str]:
    """Installed versions of the packages that can change a result."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_state() -> tuple[str | None, bool | None]:
    """(commit, whether its code was changed); (None, None) outside of a checkout. Files beside the code do not count.

    An installed package may lie in an environment inside another repository, whose commit says nothing about it.
    """
    if not in_checkout():
        return None, None
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
        added = _git("ls-files", "--others", "--exclude-standard", "--", *OURS)
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return commit, bool(changed or added)


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8", errors="replace"
    )
    return done.stdout.strip()


def device(configured: str) -> str:
    """The device of the computation: the GPU's name, or "cpu". A stage that never loaded torch used no GPU."""
    torch = sys.modules.get("torch")
    if torch is None or configured == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return str(torch.cuda.get_device_name(torch.device("cuda" if configured == "auto" else configured)))


def host() -> str:
    """This machine's name."""
    return socket.gethostname()
