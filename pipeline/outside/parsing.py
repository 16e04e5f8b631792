"""Text files of users, YAML and JSON, parsed strictly: what a laxer parser would pass over in silence is an error.

- Files are UTF-8, whatever the locale; a byte order mark is passed over.
- A key that is given twice in a mapping is an error naming the key and both lines: the last one does not win.
- In YAML a number is decimal: `010` is ten and not eight, `1:30` and `2024-01-01` are texts; so are `on`, `off`, `yes`, `no`.
- What is nested too deeply, is no text, or is no YAML or JSON, is an error naming the file.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import DataError

LARGEST_JSON = 1 << 30
"""Bytes of a JSON file, unpacked; the annotations of HICO-DET have a tenth of it in their most verbose form."""
LONGEST = 80
"""Letters of a value that an error shows."""


class TwiceError(Exception):
    """A mapping has a key twice."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def shown(value: object) -> str:
    """A value as an error shows it: all of a short one, the beginning of a long one."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} letters)"


def read_text(path: Path) -> str:
    """A file's text; DataError if it is not there, or not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 (byte 0x{error.object[error.start]:02x}); save the file as UTF-8"
        ) from None


def yaml_file(path: Path) -> Any:
    """The value of a YAML file; DataError naming the file, the line and what is wrong."""
    try:
        return yaml_value(read_text(path))
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not valid YAML: {error}") from None


def yaml_value(text: str) -> Any:
    """The value of a YAML text; YAMLError, which tells the line, if it is none."""
    try:
        return yaml.load(text, Loader=_Strict)  # a SafeLoader: it makes plain values only
    except yaml.YAMLError:
        raise
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except Exception as error:  # a value that is not what its tag says makes the constructors raise what they like
        raise yaml.YAMLError(f"a value cannot be read ({type(error).__name__})") from None


def yaml_scalar(text: str) -> Any:
    """A value given in one line: a number, a boolean, null, a list, a mapping in braces or a quoted text as YAML reads them;
    anything else is the text itself, whatever signs are in it."""
    text = text.strip()
    try:
        node = yaml.compose(text, Loader=_Strict)
        if node is not None and node.end_mark.index == len(text) and _is_meant_as_yaml(node, text):
            return yaml_value(text)
    except (yaml.YAMLError, RecursionError):
        pass
    return text


def _is_meant_as_yaml(node: yaml.Node, text: str) -> bool:
    """Whether a node, which is all of the text, is in brackets, braces or quotes, or a plain number, boolean or null."""
    if not isinstance(node, yaml.ScalarNode):
        return bool(getattr(node, "flow_style", False))
    return node.style in ("'", '"') or (node.style is None and node.value == text and not node.tag.endswith(":str"))


def json_file(path: Path) -> Any:
    """The value of a JSON file, gzipped or not; DataError naming the file and the place where it breaks."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(LARGEST_JSON + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if len(data) > LARGEST_JSON:
        raise DataError(f"{path}: has more than {LARGEST_JSON >> 20} MiB{' unpacked' * packed}, the most that is read")
    try:
        return json_value(data)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are such
        raise DataError(f"{path}: not valid JSON ({error}). Is the file whole?") from None


def json_value(data: bytes | str) -> Any:
    """The value of a JSON text; ValueError naming the place where it breaks, or a key that comes twice with its lines."""
    text = data if isinstance(data, str) else data.decode(json.detect_encoding(data))
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except TwiceError as error:
        first, second = _lines_of_twice(text)
        raise ValueError(
            f"the key {shown(error.key)} is given twice, in lines {first} and {second}; keep one"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise TwiceError(next(name for name in found if names.count(name) > 1))
    return found


_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*(:?)|[{}]')


def _lines_of_twice(text: str) -> tuple[int, int]:
    """The lines of the first key that an object of a JSON text has twice."""
    objects: list[dict[str, int]] = []
    for token in _TOKEN.finditer(text):
        if token[0] == "{":
            objects.append({})
        elif token[0] == "}":
            objects.pop()
        elif token[2]:
            name, line = json.loads(token[1], strict=False), text.count("\n", 0, token.start()) + 1
            if name in objects[-1]:
                return objects[-1][name], line
            objects[-1][name] = line
    raise AssertionError("no key comes twice")


class _Strict(yaml.SafeLoader):
    """YAML's safe loader without its traps: see the top of this module."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines:
                raise yaml.YAMLError(
                    f"the key {key.value!r} is given twice, in lines {lines[name]} and {line}; keep one"
                )
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                lines[name] = line
        return super().construct_mapping(node, deep)


_TRAPS = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "timestamp")}
_Strict.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in found if tag not in _TRAPS]
    for sign, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Strict.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Strict.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Strict.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"(?:[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)|[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)
