"""A run's parameters, put so that they mean the same to a worker in another folder with another environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.local import ROOT
from pipeline.config import ENVIRONMENT_PREFIX, Config, keys, load


@dataclass(frozen=True)
class Parameters:
    """What the flow is given, and the configuration that follows from it."""

    profile: str
    settings: list[str]
    config: Config


def portable(
    *, profile: str, settings: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Parameters:
    """Check the configuration now; turn EZHOI__* variables into settings, and relative paths into absolute ones.

    Runs of a deployment start in the checkout (`flows.local.ROOT`), so from there relative paths stay as they are.
    Raises ConfigError as `pipeline.config.load` does.
    """
    variables = os.environ if environment is None else environment
    config = load(profile=profile, overrides=settings, environment=variables)
    here = (folder or Path.cwd()).absolute()
    found = [
        f"{_key(name)}={value}" for name, value in sorted(variables.items()) if name.startswith(ENVIRONMENT_PREFIX)
    ]
    found += settings
    if here != ROOT:
        for key in keys():
            value = _value(config, key)
            weights = key == "clip.weights" and (here / value).is_file()
            if (isinstance(value, Path) and not value.is_absolute()) or weights:
                found.append(f"{key}={json.dumps(str(here / value))}")  # JSON's quotes are YAML's: any path survives
        if profile.endswith((".yaml", ".yml")):
            profile = str(here / profile)
    return Parameters(profile, found, config)


def _key(variable: str) -> str:
    return variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")


def _value(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value
