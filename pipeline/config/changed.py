"""What a configuration changes in its profile: it tells one run from another at a glance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.config.keys import covered
from pipeline.config.loading import load, profiles
from pipeline.config.tree import Config

TOLD_APART = ("profile", "setting", "seed", "device", "store")
"""Keys that a run's record holds anyway, or that do not change what is made."""


def changed(config: Config) -> dict[str, str]:
    """{key: value as text} of the keys that differ from the profile, without `runtime` sections.

    A path is given by its last part, since it does not matter where a file lies.
    """
    before, after = (dict(_leaves(each.model_dump(mode="json"))) for each in (usual(config), config))
    places = {key for key, source in config.sources().items() if source.is_place}
    return {
        key: Path(str(value)).name if key in places else _text(value)
        for key, value in after.items()
        if value != before.get(key) and key.split(".")[0] not in TOLD_APART and "runtime" not in key.split(".")
    }


def in_vain(config: Config, *, reads: Collection[str]) -> dict[str, str]:
    """{key: value as text} of the keys that differ from the profile, of which only `reads`, keys or sections, are read.

    Zero-shot setting and seed count here; keys that say how to compute do not.
    """
    before = usual(config)
    told = {
        key: str(getattr(config, key)) for key in ("setting", "seed") if getattr(config, key) != getattr(before, key)
    }
    return {key: value for key, value in (told | changed(config)).items() if not covered(key, reads)}


def set_in_vain(config: Config, *, reads: Collection[str]) -> list[str]:
    """A line for each key that is set over one of the project's profiles where only `reads` are read.

    A profile of the user's own may be the one of a training, of which a command reads little: it is not told key by key.
    """
    if config.profile not in profiles():
        return []
    return [f"{key} = {value} changes nothing here" for key, value in in_vain(config, reads=reads).items()]


def usual(config: Config) -> Config:
    """The configuration's profile as it comes with the project; the defaults for a profile of the user's own."""
    known = config.profile in profiles()
    return load(profile=config.profile, environment={}) if known else Config(profile=config.profile)


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )
