"""Paths of a configuration: which keys hold one, and how they are written for another folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config.sources import Source
from pipeline.config.tree import Config, key_names
from pipeline.outside.parsing import yaml_text


def path_of(config: Config, key: str) -> Path | None:
    """The path that the value of a key is; None if it is a name, an address or something else."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    if isinstance(value, Source):
        return value.path if value.is_place else None
    return value if isinstance(value, Path) else None


def absolute(config: Config, folder: Path) -> list[str]:
    """An override for each relative path, which gives it as one that starts in the folder and means the same anywhere."""
    paths = {key: path for key in key_names() if (path := path_of(config, key)) is not None and not path.is_absolute()}
    return [f"{key}={yaml_text(str(folder / path))}" for key, path in paths.items()]
