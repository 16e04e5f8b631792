"""A bound for the memory that reading a file may take, where the library that reads it has none."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def bounded(most: int) -> Iterator[None]:
    """While the block runs, more than `most` further bytes in this process are a MemoryError.

    The bound is lower if the machine has less memory left. It counts the address space of all threads. A stricter limit of
    the process (`ulimit -v`) stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = psutil.Process().memory_info().vms + min(most, psutil.virtual_memory().available)
    limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *limits]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
