"""Memory is bounded while a block runs, and not longer."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from pipeline.machine.memory import bounded

MIB = 1 << 20


def test_more_is_a_memory_error_and_afterwards_there_is_no_bound() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded(256 * MIB):
        assert len(np.empty(16 * MIB, dtype=np.uint8)) == 16 * MIB
        with pytest.raises(MemoryError):
            np.empty(512 * MIB, dtype=np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert len(np.empty(512 * MIB, dtype=np.uint8)) == 512 * MIB


def test_a_stricter_limit_stays() -> None:
    with bounded(256 * MIB):
        strict = resource.getrlimit(resource.RLIMIT_AS)[0]
        with bounded(1 << 40):
            assert resource.getrlimit(resource.RLIMIT_AS)[0] == strict
        assert resource.getrlimit(resource.RLIMIT_AS)[0] == strict
