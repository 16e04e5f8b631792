"""What `ezhoi` may be given by mistake or malice: bad values of every kind, the options and keys that take them, one call."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import re
import signal
import socket
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from flows.cli.app import app
from flows.server import ending

TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b[31mred",
    "\udcff",
    "x" * 200_000,
    "9" * 5_000,
    "[" * 10_000,
    "..",
    "../../etc/passwd",
    "/dev/null",
    "~nobody-at-all/x",
    "a=b=c",
    "=",
    ",",
    "١٢",
    "{x} %s $HOME `id`",
    "'",
    "--",
    "*",
    "null",
    "true",
    "a/b/c/d",
    "s3://",
    "[1, 2]",
    "{a: 1}",
)
"""For whatever is a name, a choice, a fingerprint, an address or a list."""
NUMBERS = ("", "x", "nan", "inf", ".inf", "-1", "0", "1.5", str(2**70), "9" * 5_000, "1e400", "١٢", "0x10", "1_0")
"""For whatever is a number."""


@dataclass(frozen=True)
class Parameter:
    """An option or argument of a command, as its function declares it."""

    name: str
    kind: type
    word: str
    """`--option`, or empty of an argument."""

    def given(self, value: str) -> list[str]:
        """The words that give it a value, even one that begins with a dash."""
        return [f"{self.word}={value}"] if self.word else ["--", value]


@dataclass(frozen=True)
class Command:
    path: tuple[str, ...]
    parameters: tuple[Parameter, ...]

    def __str__(self) -> str:
        return " ".join(self.path)


def commands() -> dict[str, Command]:
    """{words: command} of all of `ezhoi`."""
    return {str(command): command for command in _commands(app, ())}


def _commands(group: typer.Typer, path: tuple[str, ...]) -> Iterator[Command]:
    for info in group.registered_commands:
        assert info.callback is not None
        name = info.name or info.callback.__name__.replace("_", "-")
        yield Command((*path, name), tuple(_parameters(info.callback)))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None and inner.name
        whole = inner.typer_instance.registered_callback
        if whole is not None and whole.callback is not None and whole.invoke_without_command is True:
            yield Command((*path, inner.name), tuple(_parameters(whole.callback)))
        yield from _commands(inner.typer_instance, (*path, inner.name))


def _parameters(function: Any) -> Iterator[Parameter]:
    for name, hint in typing.get_type_hints(function, include_extras=True).items():
        info = next((i for i in getattr(hint, "__metadata__", ()) if hasattr(i, "param_decls")), None)
        if info is not None:
            given = (info.default, *(info.param_decls or ()))  # typer sorts the first one out later
            words = [word.partition("/")[0] for word in given if isinstance(word, str) and word.startswith("--")]
            option = isinstance(info, typer.models.OptionInfo)
            yield Parameter(name, _plain(hint), (words or [f"--{name.replace('_', '-')}"])[0] if option else "")


def _plain(hint: Any) -> type:
    """The type of one value: of `Annotated[list[X] | None, ...]`, X."""
    if typing.get_origin(hint) is typing.Annotated:
        return _plain(typing.get_args(hint)[0])
    if found := [a for a in typing.get_args(hint) if a is not type(None)]:
        return Enum if typing.get_origin(hint) is typing.Literal else _plain(found[0])
    return hint if isinstance(hint, type) else str


@dataclass(frozen=True)
class Ended:
    """The result of a call."""

    code: int
    out: str
    err: str


def call(*words: str) -> Ended:
    """`ezhoi` with these words, in this process, through its real entry."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *ending.ENDING)}
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ending.guarded(lambda: app(list(words), prog_name="ezhoi"))
    except SystemExit as end:
        code = end.code
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert isinstance(code, int)
    out.flush()
    err.flush()
    return Ended(code, *(stream.buffer.getvalue().decode(errors="replace") for stream in (out, err)))  # type: ignore[attr-defined]


LONGEST = 2_000
_WRONG = re.compile(r"Traceback|Node\(|object at 0x|ExceptionGroup|weights_only|fault of ezhoi|Errno")


def clean(ended: Ended) -> str:
    """The message of a call that ended as it may; AssertionError says what is wrong with it.

    Commands that judge (`data check`, `artifacts verify`, `doctor`) give their findings on the standard output, and 1.
    """
    assert ended.code in (0, 1, 2), str(ended)[:LONGEST]
    if ended.code == 0:
        return ""
    says = ended.err or ended.out
    assert says.strip() and len(says) <= LONGEST, says[:LONGEST]
    assert _WRONG.search(says) is None, says
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", says), repr(says)
    if ended.code == 1 and ended.err:
        assert ended.err.count("error: ") == 1, says
    return says


CONTENTS: dict[str, bytes] = {
    "nothing": b"",
    "zeros": bytes(100),
    "noise": bytes(range(256)) * 4,
    "latin-1": "caf\xe9: \xe9\n".encode("latin-1"),
    "utf-16": '{"a": "\xe9"}'.encode("utf-16"),
    "a word": b"word\n",
    "lines": b'a,b\n1\n2,3,4,5\n"x\n',
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "digits": b"[" + b"9" * 5_000 + b"]",
    "a digit key": b'{"' + b"9" * 5_000 + b'": "x"}',
    "a huge cell": b"class,text\nride horse," + b"x" * 200_000 + b"\n",
    "null": b"null",
    "a number": b"1",
    "a text": b'"a"',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list": b"[1]",
    "a list of lists": b"[[1]]",
    "a list of texts": b'["a"]',
    "a list of objects": b'[{"a": 1}]',
    "an object": b'{"a": 1}',
    "an object of lists": b'{"a": [1], "b": {"c": []}}',
    "a list as key": b"? [a, b]\n: x\n",
    "a tag": b"!!python/object/apply:os.system ['true']\n",
    "a key twice": b'{"a": 1, "a": 2}',
    "cut": b'{"annotation": [{"a": 1',
    "NaN": b'[{"image_id": NaN, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]',
    "wrong COCO": b'[{"image_id": [1], "category_id": "x", "bbox": 3, "score": null}]',
    "wrong QPIC": b'[{"file_name": 3, "predictions": {"a": 1}, "hoi_prediction": [null]}]',
    "wrong UPT": b'{"annotation": 3, "filenames": {"a": 1}, "size": null, "correspondence": [1], "empty": "x", "objects": [],'
    b' "verbs": 2}',
    "wrong V-COCO": b'{"annotations": [null], "classes": "a", "action_to_object": [[1, null]]}',
    "wrong PPDM": b'[{"file_name": "a.jpg", "annotations": 3, "hoi_annotation": [[]]}]',
    "a controlled text": b'{"ride horse": "A \\u001b[31mhorse \\u0000"}',
    "half a character": b'{"ride horse": "A \\ud800"}',
    "a huge number": b'[{"hoi_id": 1e999, "text": "A horse."}]',
    "conversions": b"kind: describe\nversion: 1\nprompt: '{verb:d} {verb!r} {verb:{foo}} {0} {verb.__class__} {'\n",
    "zip": b"PK\x03\x04" + bytes(200),
    "pickle": pickle.dumps({"a": [1, 2]}),
    "code": b"cos\nsystem\n(S'true'\ntR.",
    "cut gzip": gzip.compress(b"[1, 2, 3]" * 99)[:30],
    "gzip": gzip.compress(b"[1, 2, 3]"),
    "LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "huge header": (1 << 60).to_bytes(8, "little") + b"{}",
    "wrong header": (len(b'{"a": 1}')).to_bytes(8, "little") + b'{"a": 1}',
    "PAR1": b"PAR1" + bytes(50) + b"PAR1",
    "MATLAB": b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\x00\x01IM" + b"\x0e\x00\x00\x00\xff\xff\xff\x7f",
}
"""What a file may hold, whatever its name says."""
SUFFIXES = (".json", ".yaml", ".csv", ".txt", ".parquet", ".mat", ".pt", ".safetensors", ".json.gz", "")


def write_all(folder: Path) -> list[str]:
    """Write one of every content under every suffix, and what is no file; the paths."""
    for suffix in SUFFIXES:
        for name, content in CONTENTS.items():
            (folder / f"{name.replace(' ', '-')}{suffix}").write_bytes(content)
    _formats(folder)
    for suffix in SUFFIXES:
        (folder / f"folder{suffix}").mkdir(exist_ok=True)
        (folder / f"dangling{suffix}").symlink_to(folder / "none")
        (folder / f"loop{suffix}").symlink_to(folder / f"loop{suffix}")
        os.mkfifo(folder / f"pipe{suffix}")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / f"socket{suffix}"))
        if os.geteuid():
            (closed := folder / f"closed{suffix}").write_bytes(b"[]")
            closed.chmod(0)
    return [str(path) for path in sorted(folder.iterdir())]


def _formats(folder: Path) -> None:
    """Files that are whole in their format, and hold what nobody expects there."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
    from safetensors.torch import save_file

    tables = {
        "no-rows": pa.table({"a": pa.array([], pa.int64())}),
        "no-columns": pa.table({}),
        "lists": pa.table({"image_id": [[1]], "hoi_id": [[1]], "text": [["a"]], "class": [["b"]], "score": [[1.0]]}),
        "texts": pa.table({"image_id": ["x"], "object_id": ["y"], "score": ["z"], "x1": ["a"], "hoi_id": ["b"]}),
        "nulls": pa.table({"image_id": pa.nulls(1), "hoi_id": pa.nulls(1), "text": pa.nulls(1), "score": pa.nulls(1)}),
        "bytes": pa.table({"class": [b"\xff"], "text": [b"\xff"], "file_name": [b"\xff"], "hoi_id": [b"1"]}),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    whole = (folder / "texts.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2] + whole[-8:])
    values: dict[str, Any] = {
        "list": [1, "a"],
        "number": 3,
        "lists": {"a": [1]},
        "deep": {"model": {"model": {"state_dict": [torch.zeros(1)]}}},
        "empty": {},
        "tensor": torch.zeros(3),
        "other": {"class_embed.weight": torch.zeros(2, 2), "x": torch.zeros(0)},
        "numbers-as-names": {1: torch.zeros(1)},
        "state": {"model_state_dict": {"a": "b"}, "optim_state_dict": 3},
    }
    for name, value in values.items():
        torch.save(value, folder / f"{name}.pt")
    torch.save(object, folder / "class.pt")
    whole = (folder / "other.pt").read_bytes()
    (folder / "half.pt").write_bytes(whole[: len(whole) // 2])
    save_file({"a": torch.zeros(3)}, folder / "other.safetensors")
    save_file({"a": torch.zeros(3)}, folder / "odd.safetensors", metadata={"architecture": "[]"})
    save_file({"a": torch.zeros(3)}, folder / "odder.safetensors", metadata={"architecture": "no json"})
    wrong = json.dumps({"embed_dim": -1, "vision_cfg": {"image_size": 112}, "text_cfg": "x"})
    save_file({"vocabulary": torch.zeros(3)}, folder / "oddest.safetensors", metadata={"architecture": wrong})
    (folder / "cut.safetensors").write_bytes((folder / "other.safetensors").read_bytes()[:-4])


WRITES: list[str] = []
"""Paths that were opened to be written, made, renamed or removed since the list was last emptied."""


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if arguments and isinstance(arguments[0], int):  # a file that is open already
        return
    if event == "open" and isinstance(arguments[0], str | bytes):
        flags = arguments[2] if isinstance(arguments[2], int) else 0
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            WRITES.append(os.path.abspath(os.fsdecode(arguments[0])))  # noqa: PTH100, the hook may not fail
    elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.truncate"):
        WRITES.append(os.path.abspath(os.fsdecode(arguments[0])))  # noqa: PTH100


sys.addaudithook(_notice)


def state(root: Path) -> dict[str, tuple[int, int]]:
    """{file: (size, time of change)} of the artifacts in a store."""
    found = {}
    for stage in os.scandir(root):
        if not stage.name.startswith(".") and stage.is_dir():
            for artifact in os.scandir(stage):
                for file in os.scandir(artifact) if artifact.is_dir() else ():
                    if file.is_file():
                        known = file.stat()
                        found[f"{stage.name}/{artifact.name}/{file.name}"] = known.st_size, known.st_mtime_ns
    return found
