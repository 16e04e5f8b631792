"""Tensors on disk, as safetensors. The same tensors and texts make the same bytes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

if TYPE_CHECKING:
    from torch import Tensor

LENGTH = 8
"""The bytes before the header, which are the number of its own; the header is JSON, with blanks behind it."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> None:
    """Write tensors, and texts about them; OSError if they cannot be written."""
    from safetensors.torch import save_file

    content = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with refused_as_usual(path):
        save_file(content, path, None if about is None else dict(about))
    if about and len(about) > 1:
        _put_in_order(path)


def _put_in_order(path: Path) -> None:
    """Sort the texts, which safetensors writes in an order that is another one in every process."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(LENGTH), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(size)
        if len(text) != size:
            raise ValueError(f"{path}: its header has {size} bytes, and {len(text)} in order")
        file.seek(LENGTH)
        file.write(text)


@contextmanager
def refused_as_usual(path: Path) -> Iterator[None]:
    """Turn safetensors' own error into the OSError behind it, so that a full disk is the same error whoever writes."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
