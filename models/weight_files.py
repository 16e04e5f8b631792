"""Files of weights, read without executing anything that they hold: torch files, TorchScript archives, safetensors.

`torch.load` is used with `weights_only=True`; what it says of a file that it refuses is not passed on, since it advises to
turn that off. A TorchScript archive (OpenAI's `ViT-B-16.pt`) is a zip file: its tensors are taken from it by hand, and its
code is looked at as text, never loaded.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.pickle_cost import CostlyError, demand_little_work

SLACK = 64 << 20
"""Bytes by which the unpacked parts of an archive, or its tensors, which may share some, may exceed the file's own size."""
LEGACY = 5
"""Pickles at the beginning of a file of torch before 1.6: a magic number, two of versions, the values, keys of the storages."""
POINTER = b"version https://git-lfs"
_STARTS = (b"PK", b"\x80")
"""How files that `torch.save` writes begin: as a zip file, or as a pickle in former versions."""
_STORAGES = {
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch IntStorage": torch.int32,
    "torch LongStorage": torch.int64,
    "torch BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Archive:
    """What a TorchScript archive holds: its tensors by name, and the text of its code."""

    tensors: dict[str, Tensor]
    code: str


_NO_ARCHIVE = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError)
"""What opening a file as a zip raises where it is none, damaged, or of a version that Python does not know."""


def content(path: Path, *, plain: Sequence[type] = ()) -> Any:
    """What a file holds: `{name: tensor}` of safetensors, an `Archive`, or the plain values of a torch file.

    Args:
        plain: further types that a torch file may hold, of which nothing but their attributes is set.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, is none of these, or holds more than tensors and plain values; the message names it.
    """
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected a file")
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
    _demand_unpacked(path)
    if (root := _archive_root(path)) is not None:
        return _archive(path, root)
    try:
        if not start.startswith(_STARTS):  # torch would search its own message for minutes, if it quotes a long one
            raise ValueError("no torch file")
        _demand_little_work(path)
        with torch.serialization.safe_globals(list(plain)):
            return _demand_no_growth(path, torch.load(path, map_location="cpu", weights_only=True))
    except CostlyError as error:
        raise ValueError(f"{path}: {error}") from None
    except Exception as error:  # torch raises whatever the bytes provoke
        if " GLOBAL " in str(error):
            raise ValueError(
                f"{path}: holds more than tensors and plain values, and reading that could execute code. Where it was "
                "made, save its weights (the state_dict) alone."
            ) from None
        raise ValueError(
            f"{path}: cannot be read as a PyTorch checkpoint of weights; is it whole, and is it one?"
        ) from None


def tensors(values: Any) -> dict[str, Tensor] | None:
    """The tensors by name among what a file holds, without the wrappers of trainings; None if there are none."""
    if isinstance(values, Archive):
        return values.tensors
    if isinstance(values, dict) and isinstance(values.get("state_dict"), dict):
        values = values["state_dict"]
    if not isinstance(values, dict) or not values or not all(isinstance(v, Tensor) for v in values.values()):
        return None
    return {str(name).removeprefix("module."): value for name, value in values.items()}


def broken(tensors: Mapping[str, Tensor]) -> str | None:
    """The first tensor with a value that is no finite number, as a training that diverged leaves them; None if none has one."""
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    # Of floats of 8 bits torch does not tell which are finite.
    wide = ((name, value.float() if value.element_size() == 1 else value) for name, value in floats.items())
    return next((name for name, value in wide if not value.isfinite().all()), None)


def _demand_unpacked(path: Path) -> None:
    """ValueError where a file's tensors are compressed: torch never does that, and they could fill the memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except _NO_ARCHIVE:
        return
    if size > 2 * path.stat().st_size + SLACK:
        raise ValueError(
            f"{path}: its {path.stat().st_size:,} bytes unpack to {size:,}, and a checkpoint's tensors are not packed"
        )


def _demand_little_work(path: Path) -> None:
    """CostlyError if a torch file has a pickle that would take long to read, ValueError if it has none."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(LEGACY):
                demand_little_work(file)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".pkl"):
                demand_little_work(archive.read(name))


def _demand_no_growth(path: Path, values: Any) -> Any:
    """The values; CostlyError if their tensors repeat few bytes of the file, and copies of them would fill the memory."""
    groups = [values, *values.values()] if isinstance(values, dict) else [values]
    found = {id(v): v for group in groups if isinstance(group, dict) for v in group.values() if isinstance(v, Tensor)}
    if sum(tensor.numel() * tensor.element_size() for tensor in found.values()) > 2 * path.stat().st_size + SLACK:
        raise CostlyError("its tensors have many times the values that it holds")
    return values


def _archive_root(path: Path) -> str | None:
    """The folder in a TorchScript archive that all of it lies in; None for another file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except _NO_ARCHIVE:
        return None
    roots = [name.removesuffix("/constants.pkl") for name in names if name.count("/") == 1 and "/constants.pkl" in name]
    return roots[0] if roots else None


def _archive(path: Path, root: str) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            storages: dict[str, Tensor] = {}

            def storage(reference: Any) -> Tensor:
                _, kind, key, *_ = reference
                if key not in storages:
                    values, dtype = bytearray(archive.read(f"{root}/data/{key}")), _STORAGES[kind]
                    storages[key] = torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)
                return storages[key]

            operations = archive.read(f"{root}/data.pkl")
            demand_little_work(operations)
            module = _object(operations, storage)
            code = "\n".join(
                archive.read(name).decode() for name in archive.namelist() if "/code/" in name and name.endswith(".py")
            )
        return Archive(_named(module), code)
    except Exception as error:  # a damaged archive makes zipfile, pickletools and torch raise nearly anything
        raise ValueError(f"{path}: cannot be read as a TorchScript archive ({type(error).__name__})") from None


@dataclass
class _Module:
    """In place of an object of any class that an archive defines: its attributes, and no code."""

    attributes: Any = None


def _object(operations: bytes, storage: Callable[[Any], Tensor]) -> Any:
    """The object tree that an archive's pickle describes.

    Its operations are read one by one and not unpickled: nothing can be called but what makes tensors.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memory: dict[Any, Any] = {}

    def taken() -> list[Any]:
        start = marks.pop()
        found = stack[start:]
        del stack[start:]
        return found

    for operation, value, _ in pickletools.genops(operations):
        match operation.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                memory[value] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memory[value])
            case "TUPLE":
                stack.append(tuple(taken()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "EMPTY_TUPLE" | "EMPTY_DICT" | "EMPTY_LIST" | "NONE" | "NEWTRUE" | "NEWFALSE" as name:
                stack.append(_CONSTANTS[name]())
            case "SETITEM":
                *_, key, item = stack
                del stack[-2:]
                stack[-1][key] = item
            case "SETITEMS":
                items = taken()
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "APPENDS":
                items = taken()
                stack[-1].extend(items)
            case "BINPERSID":
                stack.append(storage(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(_made(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                stack[-1].attributes = state
            case name if not operation.stack_before and len(operation.stack_after) == 1 and value is not None:
                stack.append(value)  # a name, a text or a number
            case name:
                raise ValueError(f"{name} is not read")
    raise ValueError("it has no end")


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}


def _made(name: str, arguments: Any) -> Any:
    if name.startswith("__torch__"):
        return _Module()
    if name == "collections OrderedDict":
        return {}
    if name == "torch._utils _rebuild_tensor_v2":
        storage, offset, size, stride, *_ = arguments
        return storage.as_strided(size, stride, offset)
    raise ValueError(f"{name} is not read")


def _named(module: _Module, prefix: str = "") -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in module.attributes.items():
        if isinstance(value, Tensor):
            found[prefix + name] = value
        elif isinstance(value, _Module) and value.attributes:
            found |= _named(value, f"{prefix}{name}.")
    return found
