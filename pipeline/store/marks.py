"""Marks on artifacts that somebody wants to keep; `gc` respects them. They are in the store, so all who share it have them."""

from __future__ import annotations

import datetime as dt
import re

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.store.artifact import Artifact
from pipeline.store.store import Store

FILE = re.compile(r"keep-([a-z0-9][a-z0-9_-]{0,63})\.json")
"""The name of a mark's file, which has the fingerprint in it, so that a damaged mark still keeps its artifact."""


class Mark(BaseModel):
    """Why an artifact is kept, and since when (UTC); both empty where the mark cannot be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    note: str = ""
    since: str = ""


def read(store: Store) -> dict[str, Mark]:
    """{fingerprint: mark} of all marked artifacts."""
    found = {}
    for name, content in store.read_records().items():
        if (match := FILE.fullmatch(name)) is not None:
            try:
                found[match[1]] = Mark.model_validate_json(content or b"")
            except ValidationError:
                found[match[1]] = Mark()
    return found


def keep(store: Store, artifact: Artifact, note: str) -> None:
    """Mark an artifact; the note replaces that of an earlier mark."""
    mark = Mark(note=note, since=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
    store.write_record(f"keep-{artifact.fingerprint}.json", mark.model_dump_json())


def release(store: Store, fingerprint: str) -> None:
    """Remove a mark."""
    store.remove_record(f"keep-{fingerprint}.json")
