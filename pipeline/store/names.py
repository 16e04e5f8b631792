"""Names that become paths, as types: what is read from a store is parsed into them before it names a file.

Manifests, records of runs, seals, leases and pieces of unfinished work may come from a bucket that others write to, or have
been edited by hand. A name that could lead out of its folder never passes these types, so the code behind them joins paths
without further checks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

STAGE = re.compile(r"[a-z][a-z0-9_]{0,63}")
FINGERPRINT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DIGEST = re.compile(r"[0-9a-f]{32}")
RUN = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{6}")
LONGEST_PART = 200
"""The most bytes of one part of a file's name; file systems take 255, and temporary names add a little."""
LONGEST_NAME = 500

StageName = Annotated[str, StringConstraints(pattern=f"^{STAGE.pattern}$")]
Fingerprint = Annotated[str, StringConstraints(pattern=f"^{FINGERPRINT.pattern}$")]
RunId = Annotated[str, StringConstraints(pattern=f"^{RUN.pattern}$")]
"""The id of a run: when it started (UTC) and six digits, as in `20260131T120000-0a1b2c`."""
Token = Annotated[str, StringConstraints(pattern="^[0-9a-f]{0,32}$")]


def file_name(text: str) -> str:
    """The name of a file below a folder, parts separated by `/`; ValueError if it could mean any other place."""
    for part in text.split("/"):
        if part in ("", ".", "..") or part != part.strip() or "\\" in part or not part.isprintable():
            raise ValueError(f"{text!r} cannot be the name of a file in an artifact")
        if len(part.encode()) > LONGEST_PART:
            raise ValueError(f"{part[:40]!r}... is longer than {LONGEST_PART} bytes")
    if len(text.encode()) > LONGEST_NAME:
        raise ValueError(f"{text[:40]!r}... is longer than {LONGEST_NAME} bytes")
    return text


FileName = Annotated[str, AfterValidator(file_name)]


def in_order(name: str) -> str:
    """The key by which names of files are sorted: digits count as numbers, so train-1000 follows train-999.

    Shards are numbered with three digits, and with more from a thousand on; as text, train-1000 comes before train-101.
    """
    return re.sub(r"[0-9]+", lambda digits: digits[0].zfill(LONGEST_PART), name)


def is_artifact(stage: str, fingerprint: str) -> bool:
    """Whether it can be the name of an artifact."""
    return STAGE.fullmatch(stage) is not None and FINGERPRINT.fullmatch(fingerprint) is not None


def is_piece(text: str) -> bool:
    """Whether it can be the name of a finished piece of work: one file, in no folder."""
    try:
        return "/" not in file_name(text)
    except ValueError:
        return False


def clashes(names: Iterable[str]) -> list[str]:
    """Names that cannot be in one folder on every system: they differ only in case, or a file is where another has a folder."""
    folded: dict[str, str] = {}
    found = []
    for name in names:
        if (key := _fold(name)) in folded:
            found.append(name)
        folded[key] = name
    above = {"/".join(key.split("/")[:depth]) for key in folded for depth in range(1, key.count("/") + 1)}
    return found + [name for key, name in folded.items() if key in above]


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
