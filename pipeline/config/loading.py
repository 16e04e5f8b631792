"""How a configuration comes about: a YAML profile, then `EZHOI__A__B` variables, then `--set key=value`, each over the last."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.config.section import named_path
from pipeline.config.tree import Config, key_names
from pipeline.errors import ConfigError
from pipeline.outside import parsing, reading
from pipeline.outside.addresses import shown_address
from pipeline.outside.parsing import nearest, shown

PROFILES = Path(__file__).parent / "profiles"
ENVIRONMENT_PREFIX = "EZHOI__"


def profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the project."""
    return tuple(sorted(p.stem for p in PROFILES.glob("*.yaml")))


def load(
    *,
    profile: str = "demo",
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Config:
    """Resolve a profile (a name, or the path of a YAML file), `EZHOI__A__B` variables and `a.b=value` overrides.

    `folder` is where relative paths of the configuration start, if it is not the current folder. Raises ConfigError naming
    the key, what was expected and the nearest valid name.
    """
    tree = _read_profile(profile, folder)
    variables = os.environ if environment is None else environment
    _demand_known_variables(variables)
    for name, override in of_environment(variables).items():
        _assign(tree, override, origin=name)
    for override in overrides:
        _assign(tree, override, origin=f"--set {override}")
    tree.setdefault("profile", Path(profile).stem)
    try:
        return Config.model_validate(tree, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(_explain(error, profile)) from None


def of_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """{variable: the override that it is} of the `EZHOI__A__B` variables, those of this process if none are given."""
    chosen = os.environ if variables is None else variables
    named = {
        name: name.removeprefix(ENVIRONMENT_PREFIX) for name in sorted(chosen) if name.startswith(ENVIRONMENT_PREFIX)
    }
    return {name: f"{rest.lower().replace('__', '.')}={chosen[name]}" for name, rest in named.items()}


def dotted(overrides: Iterable[str]) -> list[str]:
    """The overrides with a single key each: a mapping in braces becomes one override of each key that it names.

    Whoever looks at the key of an override asks for this first. ConfigError for a mapping that names no key.
    """
    found = []
    for override in overrides:
        key, text = _key_and_text(override)
        each = list(_each(key, parsing.yaml_scalar(text), origin=f"--set {override}"))
        whole = [name for name, _ in each] == [key]
        found += [f"{key}={text}"] if whole else [f"{name}={parsing.yaml_text(value)}" for name, value in each]
    return found


def key_of(override: str) -> str:
    """The key of an override that has one (`dotted`)."""
    return _key_and_text(override)[0]


def _key_and_text(override: str) -> tuple[str, str]:
    key, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"--set {shown(override)}: expected key=value, for example --set seen.epochs=3")
    return key.strip(), text


def _read_profile(profile: str, folder: Path | None) -> dict[str, Any]:
    path = (
        (folder or Path()) / named_path(profile, of="profile")
        if profile.endswith((".yaml", ".yml"))
        else PROFILES / f"{profile}.yaml"
    )
    if not path.is_file():
        near = nearest(profile, profiles(), cutoff=0.4)
        hint = f" Did you mean {shown(near)}?" if near else ""
        raise ConfigError(
            f"no profile {shown(profile)}.{hint} Profiles: {', '.join(profiles())}; or give a path to a .yaml file."
        )
    tree = reading.yaml_value(path, what=f"profile {path}", error=ConfigError)
    if not isinstance(tree, dict):
        raise ConfigError(f"profile {path}: expected a mapping of sections at the top level")
    return tree


def _demand_known_variables(variables: Mapping[str, str]) -> None:
    """ConfigError for a variable that means a key and sets none: EZHOI_SEED has an underscore too few, ezhoi__seed is small."""
    for name in variables:
        start, rest = name[: len("EZHOI_")].upper(), name[len("EZHOI_") :]
        if start == "EZHOI_" and not name.startswith(ENVIRONMENT_PREFIX) and (key := _meant().get(_letters(rest))):
            if key == "profile":
                raise ConfigError(f"{name} sets nothing: a profile is chosen by its name or its file, with --profile")
            right = ENVIRONMENT_PREFIX + key.upper().replace(".", "__")
            raise ConfigError(f"{name} sets nothing: the variable of the key {key} is {right}")


@cache
def _meant() -> dict[str, str]:
    """{the letters of a key: the key}"""
    return {_letters(key): key for key in key_names()}


def _letters(name: str) -> str:
    """A key or a variable's name without what separates its parts."""
    return re.sub(r"[._]", "", name).lower()


def _assign(tree: dict[str, Any], override: str, *, origin: str) -> None:
    """Set what an override names; numbers, booleans, null, lists and quoted texts are read as YAML, all else as it is."""
    key, text = _key_and_text(override)
    if key == "profile":
        raise ConfigError(f"{origin}: a profile is chosen by its name or its file, with --profile")
    for name, value in _each(key, parsing.yaml_scalar(text), origin=origin):
        _put(tree, name, value, origin=origin)


def _each(key: str, value: Any, *, origin: str) -> Iterator[tuple[str, Any]]:
    """Each key that a value sets: its own, or those of a section that a mapping names; the others stay as they are."""
    if not isinstance(value, dict) or not any(known.startswith(f"{key}.") for known in key_names()):
        yield key, value
        return
    if not value:
        raise ConfigError(f"{origin}: {shown(key)} is a section, and the braces name no key of it")
    for name, inner in value.items():
        yield from _each(f"{key}.{name}", inner, origin=origin)


def _put(tree: dict[str, Any], key: str, value: Any, *, origin: str) -> None:
    node, parts = tree, key.split(".")
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{origin}: {shown(part)} is a value, not a section")
    node[parts[-1]] = value


def _as_written(value: Any) -> str:
    """A value as YAML writes it, shortened and without secrets."""
    return "null" if value is None else shown_address(shown(value))


def _explain(error: ValidationError, profile: str) -> str:
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            valid = key_names()
            sections = sorted({k[:i] for k in valid for i, c in enumerate(k) if c == "."})
            near = nearest(key, [*valid, *sections])
            same_leaf = [k for k in valid if k.split(".")[-1] == key.split(".")[-1]]
            guess = near or (same_leaf[0] if same_leaf else None)
            lines.append(
                f"unknown key {shown(key)}."
                + (f" Did you mean {shown(guess)}?" if guess else f" Sections: {', '.join(Config.model_fields)}")
            )
        else:
            says, value = fault["msg"].removeprefix("Value error, "), fault["input"]
            if fault["type"] in ("model_type", "model_attributes_type", "dataclass_type"):
                inside = next((k for k in key_names() if k.startswith(f"{key}.")), f"{key}.KEY")
                says = f"is a section and takes no value; set a key of it, such as {inside}"
            got = "" if isinstance(value, dict | BaseModel) else f", got {_as_written(value)}"
            lines.append((f"key {shown(key)}: {says[0].lower()}{says[1:]}" if key else says) + got)
    return f"configuration of profile {shown(profile)}:\n  " + "\n  ".join(lines)
