"""Random generators that depend on their arguments alone, in every process and on every machine."""

import hashlib

import numpy as np

from pipeline.datasets.world.classes import WORLD_VERSION


def generator(*key: object) -> np.random.Generator:
    """A generator seeded by the world's version and the text of `key`."""
    return np.random.default_rng(seed_of(*key))


def seed_of(*key: object) -> int:
    """A 63-bit seed from the world's version and the text of `key` (BLAKE2b)."""
    text = "\x1f".join(str(part) for part in (WORLD_VERSION, *key))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
