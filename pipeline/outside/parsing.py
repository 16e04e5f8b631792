"""YAML and JSON texts of users, parsed strictly: what a laxer parser would ignore is an error.

- A key that is given twice in a mapping is an error naming the key and both lines: the last one does not win.
- In YAML a number is decimal: `010` is ten and not eight, `1:30` and `2024-01-01` are texts; so are `on`, `off`, `yes`, `no`.
- What is nested too deeply, or is no YAML or JSON, is an error naming the line; no message is longer than a few lines.

`pipeline/outside/reading.py` reads files with it.
"""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pydantic import ValidationError

LONGEST = 80
"""The most letters of a value that an error shows."""
LONGEST_FAULT = 300
"""The most letters of a parser's message, which may quote a name of any length."""
DEEPEST = 100
"""The most brackets and braces that may be open in a YAML text."""


class TwiceError(Exception):
    """An object has a key twice; `twice` finds which one, and where."""


def shown(value: object) -> str:
    """A value as an error shows it: a short one completely, the beginning of a long one, the outline of a structure."""
    if isinstance(value, str | bytes):
        text = repr(value[: LONGEST + 1])
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(value)} letters)"
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a scalar of numpy or torch: 48, not np.int64(48)
    try:
        text = _OUTLINE.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.5) -> str | None:
    """The known name that is most similar to another, if one is; only the beginning of a long name is compared."""
    return next(iter(difflib.get_close_matches(name[:LONGEST], list(known), n=1, cutoff=cutoff)), None)


def why_not_read(error: Exception) -> str:
    """Why an entry of a file was not read, from Python's error: a KeyError, TypeError, ValueError or the like."""
    if isinstance(error, KeyError):
        return f"{shown(error.args[0])} is missing"
    if isinstance(error, TypeError | AttributeError):  # Python's words for it speak of its own types
        return "a value is of another kind than it has to be"
    return str(error)


def first_fault(error: ValidationError) -> str:
    """What pydantic found first, as "place: what"; a text that is no JSON has no place."""
    first = error.errors()[0]
    return ": ".join([*filter(None, [".".join(map(str, first["loc"]))]), first["msg"].removeprefix("Value error, ")])


_OUTLINE = reprlib.Repr()  # few of its parts are looked at: a small YAML text can refer to itself a million times
_OUTLINE.maxlevel, _OUTLINE.maxlist, _OUTLINE.maxtuple, _OUTLINE.maxdict = 3, 6, 6, 6
_OUTLINE.maxstring = _OUTLINE.maxlong = _OUTLINE.maxother = LONGEST + 1


def yaml_value(text: str) -> Any:
    """The value of a YAML text; ValueError, which tells the line, if it is none."""
    try:
        return yaml.load(text, Loader=_Strict)  # a SafeLoader: it makes plain values only
    except Exception as error:  # a value that is not what its tag says makes the constructors raise what they like
        raise ValueError(_yaml_fault(error)) from None


def yaml_node(text: str) -> yaml.Node | None:
    """A YAML text as nodes, which know their lines; None if it is empty. ValueError as of `yaml_value`.

    The caller has to check whether a key comes twice.
    """
    try:
        return yaml.compose(text, Loader=_Strict)
    except Exception as error:  # also of an escape such as "\\UFFFFFFFF", which is no character
        raise ValueError(_yaml_fault(error)) from None


def _yaml_fault(error: Exception) -> str:
    """What is wrong with a YAML text, in one line; the library's own message has several lines and unlimited quotes."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        says = ", ".join(part for part in (error.context, error.problem) if part)
        return _cut(f"line {mark.line + 1}: {says}" if mark else says)
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position + 1} is U+{error.character:04X}, which has no place in a text"
    return _cut(str(error)) if isinstance(error, yaml.YAMLError) else f"a value cannot be read ({type(error).__name__})"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_FAULT else f"{text[:LONGEST_FAULT]}..."


def yaml_scalar(text: str) -> Any:
    """A value given in one line: a number, a boolean, null, a list, a mapping in braces or a quoted text as YAML reads them;
    anything else is the text itself, whatever signs are in it."""
    text = text.strip()
    try:
        node = yaml_node(text)
        if node is not None and node.end_mark.index == len(text) and _is_meant_as_yaml(node, text):
            return yaml_value(text)
    except ValueError:
        pass
    return text


def yaml_text(value: Any) -> str:
    """A value on one line, written so that `yaml_scalar` reads the same value."""
    if isinstance(value, str) and yaml_scalar(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_meant_as_yaml(node: yaml.Node, text: str) -> bool:
    """Whether a node, which is all of the text, is in brackets, braces or quotes, or a plain number, boolean or null."""
    if not isinstance(node, yaml.ScalarNode):
        return bool(getattr(node, "flow_style", False))
    return node.style in ("'", '"') or (node.style is None and node.value == text and not node.tag.endswith(":str"))


def json_value(text: str, *, each: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value of a JSON text; ValueError naming the place where it breaks, or a key that comes twice with its lines.

    Arguments:
        each: called for every object as soon as it ends, the inner ones first; its answer takes the place of the object, so
            that only what is wanted of a large text is kept.
    """

    def made(pairs: list[tuple[str, Any]]) -> Any:
        found = once(pairs)
        return found if each is None else each(found)

    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=made if each else once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error}; is it whole?") from None
    except TwiceError:
        raise ValueError(given_twice(*twice(text))) from None
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        raise ValueError("it has a number of thousands of digits") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of its keys and values, as a hook of `json`; TwiceError if a key comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TwiceError
    return found


def given_twice(key: str, first: int, second: int) -> str:
    """The message about a key that is given twice, with its two lines."""
    return f"the key {shown(key)} is given twice, in lines {first} and {second}; keep one"


_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*(:?)|[{}]')


def twice(text: str) -> tuple[str, int, int]:
    """The first key that an object of a JSON text has twice, and its two lines, in one pass over the text."""
    objects: list[dict[str, int]] = []
    line, at = 1, 0
    for token in _TOKEN.finditer(text):
        if token[0] == "{":
            objects.append({})
        elif token[0] == "}":
            objects.pop()
        elif token[2]:
            name = json.loads(token[1], strict=False)
            line, at = line + text.count("\n", at, token.start()), token.start()
            if name in objects[-1]:
                return name, objects[-1][name], line
            objects[-1][name] = line
    raise AssertionError("no key comes twice")


class _Strict(yaml.SafeLoader):
    """YAML's safe loader without its traps: see the top of this module."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        if self.flow_level == DEEPEST:  # the scanner looks at all open brackets for each further letter
            raise RecursionError
        super().fetch_flow_collection_start(token)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines:
                raise yaml.YAMLError(given_twice(key.value, lines[name], line))
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
