"""Where and with what an artifact was made: code, packages, machine."""

from __future__ import annotations

import importlib.metadata
import re
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

from pipeline.machine.home import in_checkout
from pipeline.store import digest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("models", "pipeline")
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))$", re.MULTILINE)
"""A statement of imports: the package and its names, or the modules. Syntax trees of all our files would take a second, in
every run; a line of a text that reads like such a statement is taken for one, which does no harm."""
_NAME = re.compile(r"[\w.]+")
_NO_NAME = re.compile(r"#.*|\bas\s+\w+")
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
    return digest.of_files((str(f.relative_to(ROOT)), _digest_of(f)) for f in files)


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
    for package, inside, whole in _IMPORT.findall(file.read_text(encoding="utf-8")):
        words = _NAME.findall(_NO_NAME.sub("", inside or whole))
        names |= {package, *(f"{package}.{word}" for word in words)} if package else set(words)
    files = []
    for name in names:
        if name.split(".")[0] in OURS:
            path = ROOT.joinpath(*name.split("."))
            files += [p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()]
    return tuple(files)


@cache
def _digest_of(file: Path) -> str:
    return digest.of_file(file)


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
