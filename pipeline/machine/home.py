"""Where servers keep their state and runs start: in the checkout or, for an installed package, in the user's `~/.ezhoi`.

Only their owner can read the secrets there.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from pipeline.errors import ServiceError

ROOT = Path(__file__).resolve().parents[2]
"""The folder in which the packages lie: a checkout, or the site-packages of an environment."""


def in_checkout() -> bool:
    """Whether this is a checkout, which may keep state of its own, and not an installed package."""
    return (ROOT / "pyproject.toml").is_file()


def home() -> Path:
    """The folder that $EZHOI_HOME names, or `.ezhoi/` of the checkout, or `~/.ezhoi` of an installed package."""
    return Path(os.environ.get("EZHOI_HOME") or (ROOT if in_checkout() else Path.home()) / ".ezhoi").absolute()


def workplace() -> Path:
    """The folder in which servers, workers and their runs start, and where relative paths of such a run begin."""
    return ROOT if in_checkout() else home()


def private_folder(folder: Path) -> None:
    """Make sure that the folder exists and that nobody else can look into it. OSError if it cannot be made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:  # made by an older version, or by hand
        folder.chmod(0o700)


def write_secret(path: Path, text: str) -> None:
    """Write a file in one step that others can never read. A folder that is missing is made, closed to others too."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def read_secret(path: Path) -> str:
    """The secret in a file; empty if there is no such file.

    Raises:
        ServiceError: others can read or write the file, so somebody else may know the secret, or have chosen it.
    """
    try:
        with path.open(encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            text = file.read().strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ServiceError(f"the secret in {path} cannot be read: {error}") from None
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ServiceError(
            f"others may know the secret in {path}: it has to be a file of yours with mode 0600. "
            "Delete it, and start its server anew (`ezhoi down`, `ezhoi up`): it gets another one"
        )
    return text


def secret(path: Path, prefix: str = "") -> str:
    """The secret in a file; if there is none, one is made: `prefix` and 32 random characters. Errors as of `read_secret`."""
    if not (found := read_secret(path)):
        found = prefix + secrets.token_urlsafe(24)
        write_secret(path, found + "\n")
    return found


def expanded(text: str) -> Path:
    """A path with `~` and `~name` replaced by their folders; unchanged where no such folder is known."""
    return Path(os.path.expanduser(text))  # noqa: PTH111, pathlib's own raises where no home is known
