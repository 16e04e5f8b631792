"""What all sections of the configuration have in common, and what a path in them may be."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, field_validator

from pipeline.errors import ConfigError
from pipeline.outside.parsing import shown

_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/(/?)")


LARGEST_NUMBER = 1 << 63
"""Whole numbers are smaller: torch, numpy and Parquet hold them in 64 bits."""


LONGEST_NAME, LONGEST_PATH = 255, 4_095
"""The most bytes of a file's name, and the most letters of a path, that file systems take."""


class Section(BaseModel):
    """A part of the tree. It is immutable. Unknown keys, infinite numbers, empty texts, and booleans as numbers are errors.

    A frozen dataclass that `models/` defines may be a part of it too, under the same rules.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _neither_empty_nor_a_boolean(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValueError("is empty, as an unset variable of a script leaves it; null means none")
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError(f"expected a value, not {str(value).lower()}")
        if isinstance(value, str | Path) and _is_no_text(str(value)):
            raise ValueError("is not UTF-8; rename the file or folder")
        if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
            raise ValueError("is larger than any whole number here can be")
        return value


def _is_no_text(text: str) -> bool:
    """Whether the text has bytes, of a command line or a file name, that are no UTF-8 and so cannot be written to a file."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def at_home(text: str) -> str:
    """A path with `~` and `~name` as the folder that they stand for; ValueError if there is no such user."""
    found = os.path.expanduser(text)  # noqa: PTH111, pathlib's own raises where no home is known
    if found.startswith("~") and found[1:2] not in ("", "/"):
        raise ValueError(
            f"no user has the home folder {found.partition('/')[0]}; write ./{found} for a folder of that name"
        )
    if "\0" in found:
        raise ValueError("a path has no NUL in it")
    if len(found) > LONGEST_PATH or any(len(part.encode(errors="replace")) > LONGEST_NAME for part in found.split("/")):
        raise ValueError("is too long for a name in a file system")
    return found


def named_path(text: str, *, of: str) -> Path:
    """The path that a text means; ConfigError that begins with what it is the value `of`, if it can be none."""
    try:
        return Path(at_home(text))
    except ValueError as error:
        raise ConfigError(f"{of} {shown(text)}: {error}") from None


def folder_or_address(value: object) -> object:
    """An address (s3://bucket/prefix) stays text; a folder, given as such or as file:///folder, is a path."""
    if not isinstance(value, str | Path):
        raise ValueError("expected a folder or an address; a folder whose name YAML reads otherwise is written ./NAME")
    text = at_home(str(value))
    found = _ADDRESS.match(text)
    if found is None:
        return Path(text)
    if not found[2]:
        raise ValueError(f"one slash is missing: write {found[1]}://{text[found.end() :].lstrip('/')}")
    if found[1].lower() != "file":
        if not text[found.end() :].strip("/"):
            raise ValueError(f"nothing follows {found[1]}://; expected a bucket, such as s3://bucket/prefix")
        return text
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise ValueError(f"{text}: a folder of this machine is written /folder or file:///folder")
    return Path(unquote(parts.path))


def _path(value: object) -> object:
    found = folder_or_address(value) if isinstance(value, str | Path) else value
    if isinstance(found, str):
        raise ValueError("expected a path, not an address")
    return found


Here = Annotated[Path, BeforeValidator(_path)]
"""A file or folder of this machine; `~` is the home folder."""
Place = Annotated[Path | str, BeforeValidator(folder_or_address)]
"""A folder of this machine, or an address."""
