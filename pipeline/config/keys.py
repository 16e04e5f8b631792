"""The keys of the configuration, listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config.sources import PackagedTemplates, Source


@dataclass(frozen=True)
class Key:
    """A key that can be set: its dotted name, its default (None where it has none), what it means, and its values."""

    name: str
    default: Any
    means: str
    values: tuple[str, ...] = ()
    """Its values, where it is a choice; empty otherwise."""


def keys(section: type[Any], prefix: str = "") -> Iterator[Key]:
    """The keys of a section, including those of the sections in it."""
    if dataclasses.is_dataclass(section):
        for entry in dataclasses.fields(section):
            yield Key(f"{prefix}{entry.name}", entry.default, entry.metadata.get("description", ""))
        return
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and _is_section(kind):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            default = None if field.is_required() else field.default
            default = default.text if isinstance(default, Source) else default
            yield Key(f"{prefix}{name}", default, field.description or "", _choices(field))


def covered(key: str, keys: Collection[str]) -> bool:
    """Whether a key is one of `keys`, or in a section that is."""
    return any(key == other or key.startswith(f"{other}.") for other in keys)


def _choices(field: FieldInfo) -> tuple[str, ...]:
    """The values of a choice, or the names of the project's templates for a key that is one; none otherwise."""
    for mark in field.metadata:
        if isinstance(mark, PackagedTemplates):
            return mark.names()
    return tuple(str(value) for value in get_args(field.annotation)) if get_origin(field.annotation) is Literal else ()


def _is_section(kind: type[Any]) -> bool:
    """Whether a key of that type has keys below it. A `Source` has none: it is one value."""
    return issubclass(kind, BaseModel) or (dataclasses.is_dataclass(kind) and kind is not Source)
