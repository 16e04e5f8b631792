"""Files of weights, read without executing anything that they hold: torch files, TorchScript archives, safetensors.

`torch.load` is used with `weights_only=True`; what it says of a file that it refuses is not passed on, since it advises to
turn that off. A TorchScript archive (OpenAI's `ViT-B-16.pt`) is a zip file: its tensors are taken from it by hand, and its
code is looked at as text, never loaded.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

POINTER = b"version https://git-lfs"
_STORAGES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Archive:
    """What a TorchScript archive holds: its tensors by name, and the text of its code."""

    tensors: dict[str, Tensor]
    code: str


def content(path: Path) -> Any:
    """What a file holds: `{name: tensor}` of safetensors, an `Archive`, or the plain values of a torch file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, is none of these, or holds more than tensors and plain values; the message names it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with path.open("rb") as file:
        start = file.read(len(POINTER))
    if not start:
        raise ValueError(f"{path}: is empty (0 bytes)")
    if start == POINTER:
        raise ValueError(f"{path}: is a Git LFS pointer, not the file itself: fetch it with `git lfs pull`")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise ValueError(f"{path}: cannot be read as safetensors ({error})") from None
    if (root := _archive_root(path)) is not None:
        return _archive(path, root)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the bytes provoke
        if " GLOBAL " in str(error):
            raise ValueError(
                f"{path}: holds more than tensors and plain values, and reading that could execute code. Where it was "
                "made, save its weights (the state_dict) alone."
            ) from None
        raise ValueError(f"{path}: cannot be read as a torch file; is it whole, and is it one?") from None


def tensors(values: Any) -> dict[str, Tensor] | None:
    """The tensors by name among what a file holds, without the wrappers of trainings; None if there are none."""
    if isinstance(values, Archive):
        return values.tensors
    if isinstance(values, dict) and isinstance(values.get("state_dict"), dict):
        values = values["state_dict"]
    if not isinstance(values, dict) or not values or not all(isinstance(v, Tensor) for v in values.values()):
        return None
    return {str(name).removeprefix("module."): value for name, value in values.items()}


def _archive_root(path: Path) -> str | None:
    """The folder in a TorchScript archive that all of it lies in; None for another file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return None
    roots = [name.removesuffix("/constants.pkl") for name in names if name.count("/") == 1 and "/constants.pkl" in name]
    return roots[0] if roots else None


def _archive(path: Path, root: str) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            module = _Unpickler(archive, root).load()
            code = "\n".join(
                archive.read(name).decode() for name in archive.namelist() if "/code/" in name and name.endswith(".py")
            )
        return Archive(_named(module), code)
    except Exception as error:  # a damaged archive makes zipfile, pickle and torch raise nearly anything
        raise ValueError(f"{path}: cannot be read as a TorchScript archive ({type(error).__name__})") from None


class _Module:
    """In place of every class that an archive defines: attributes, no code."""


class _Unpickler(pickle.Unpickler):
    """The archive's object tree; of all the names that a pickle can ask for it knows those of tensors alone."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(archive.open(f"{root}/data.pkl"))
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not read")

    def persistent_load(self, reference: Any) -> Tensor:
        _, dtype, key, _, _ = reference
        if key not in self._storages:
            values = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            self._storages[key] = torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)
        return self._storages[key]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _named(module: Any, prefix: str = "") -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            found[prefix + name] = value
        elif isinstance(value, _Module):
            found |= _named(value, f"{prefix}{name}.")
    return found
