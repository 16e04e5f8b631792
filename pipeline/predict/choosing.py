"""Which bundle is meant: a file, a fingerprint in the store, or the store's newest."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import StoreError
from pipeline.predict.bundle import FILE
from pipeline.store.store import Store

STAGE = "bundle"


def bundle_file(model: str | None, store: Store) -> Path:
    """The file of the bundle; StoreError says what to do if there is none.

    Args:
        model: a path, a fingerprint or its beginning; None asks for the store's newest.
    """
    if model is not None and (Path(model).exists() or model.endswith(".safetensors")):
        return Path(model)
    if model is not None:
        chosen = store.find(model if "/" in model else f"{STAGE}/{model}")
        if chosen.stage != STAGE:
            raise StoreError(f"{model}: is an artifact of stage {chosen.stage}, and a bundle is needed")
        return chosen.path(FILE)
    if (made := store.newest(STAGE)) is None:
        raise StoreError(f"{store.place} has no bundle yet. Make one: `ezhoi run`; or name a bundle's file")
    return made.path(FILE)
