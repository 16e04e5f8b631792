"""Which store a configuration means."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.tree import Config
from pipeline.store.store import Store


def store_of(config: Config) -> Store:
    """The store in a local folder, or in an object store if `store.root` is an address."""
    if isinstance(config.store.root, Path):
        return Store(config.store.root)
    from pipeline.store.remote.remote import RemoteStore  # fsspec takes a moment to import

    return RemoteStore(config.store.root, cache=config.store.cache)
