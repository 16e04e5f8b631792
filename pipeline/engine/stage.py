"""What a stage is: what it reads of the configuration, of files outside of the store, and of other stages' artifacts.

It imports little on purpose: planning a run imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config.keys import covered, keys
from pipeline.config.sources import Content, Source
from pipeline.config.tree import Config
from pipeline.datasets import configured
from pipeline.datasets.own import folder as own_folder
from pipeline.store import digest
from pipeline.work.machines import Rendezvous

Condition = Callable[[Config], bool]
"""A condition on a configuration."""


def always(config: Config) -> bool:
    """The condition that every configuration fulfils."""
    return True


def never(config: Config) -> bool:
    """The condition that no configuration fulfils."""
    return False


DIGESTS: Mapping[Content, Callable[[Path], str]] = {
    "bytes": digest.of_path,
    "tables": configured.fingerprint,
    "images": configured.folder_fingerprint,
    "own": own_folder.fingerprint,
}
"""The functions that compute the digest of a source, by the content that counts."""


LATER: Mapping[str, object] = {
    "data.classes": None,
    "data.val2017": None,
    "data.world.evaluated": "test",
    "model.inter": "block",
}
"""Keys that were added after artifacts had been made, and the value with which these were made. Where a key has it, it is left
out of fingerprints, so that the artifacts stay valid."""


def unrecorded() -> dict[str, object]:
    """{key: the value that artifacts without it were made with}: the first one of a later key, or the default."""
    return {key.name: LATER.get(key.name, key.default) for key in keys(Config)}


def source_digest(source: Source) -> str:
    """The digest of the file or folder that a source names, as it enters fingerprints and manifests."""
    assert source.path is not None, f"{source} names no file"
    return DIGESTS[source.content](source.path)


@dataclass(frozen=True)
class Input:
    """An artifact that a stage reads, or the part of it whose files match one of the `part` patterns.

    Only the digests of the named files count, so a stage stays fresh when another part of its input changes. Where a stage
    names the same stage twice, the last input whose `when` holds is the one that it has.
    """

    stage: str
    part: tuple[str, ...] = ("*",)
    loose: bool = False
    """Where the stage's artifact is reused, this input may differ from the one it was made from: a model that learned with some
    texts is used with others. The configuration keeps sizes and vocabulary equal (`pipeline/engine/compatibility.py`)."""
    when: Condition = always
    """Under which configurations the stage has this input."""


@dataclass(frozen=True)
class When:
    """Keys that a stage reads only under some configurations; their meaning is that of the stage's keys."""

    holds: Condition
    reads: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """The declaration of a stage: `reads` are the dotted keys of the configuration that enter its fingerprint.

    Where a key names a file or a folder (`pipeline/config/sources.py`), the content enters it too, and a path does not.
    """

    name: str
    version: int
    reads: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Keys of which it reads the chosen name, but not the content behind the name."""
    when: tuple[When, ...] = ()
    """What it reads besides, depending on the configuration, such as a seed only where something is drawn."""
    inputs: tuple[Input, ...] = ()
    joint: tuple[Input, ...] = ()
    """Its inputs in joint training (`seen.joint`), in place of inputs of the same stages or beside the others."""
    says: str = ""
    trains: bool = False
    """Whether it is a training."""
    embeds: bool = False
    """Whether it embeds texts with CLIP."""
    pictures: Callable[[Config], tuple[str, ...]] = lambda _: ()
    """The splits whose number of pictures determines its time."""
    sharded: Condition = never
    """Whether it goes through these pictures in shards, of which helpers can compute some (`pipeline/work/helpers.py`)."""
    processes: Callable[[Config], int] = lambda _: 1
    """How many processes of this machine compute the stage together, one for each GPU."""
    joined_by: Callable[[Config], Rendezvous | None] = lambda _: None
    """Where the machines that compute the stage together meet, and which of them this is; None for one machine alone. It raises
    ConfigError where this is not known (`pipeline/work/machines.py`)."""
    derived: Callable[[Config], Mapping[str, object]] = lambda _: {}
    """What enters its fingerprint besides keys: values that follow from several keys, under names that are no keys."""
    asks: Condition | None = None
    """For a stage that makes texts: whether it asks a language model, whose server it then holds alone."""

    def declared(self, *, names: bool = True) -> frozenset[str]:
        """Every key that it reads under any configuration; without `names`, only keys whose content counts."""
        parts: tuple[Stage | When, ...] = (self, *self.when)
        return frozenset(key for part in parts for key in (*part.reads, *(part.names if names else ())))

    def reads_under(self, config: Config, *, names: bool = True) -> frozenset[str]:
        """Every key that it reads under a configuration; `names` as in `declared`."""
        return replace(self, when=tuple(when for when in self.when if when.holds(config))).declared(names=names)

    def server(self, config: Config) -> str | None:
        """The address of the language model that the stage asks, if it asks one."""
        return config.llm.runtime.base_url if self.asks is not None and self.asks(config) else None

    def resolved(self, config: Config) -> Stage:
        """The stage with the inputs that it has under a configuration."""
        edges = (*self.inputs, *(self.joint if config.seen.joint else ()))
        own = {edge.stage: edge for edge in edges if edge.when(config)}
        return replace(self, inputs=tuple(own.values()), joint=())

    def computes(self, config: Config) -> bool:
        """Whether it computes on the configured device; it then holds a GPU alone where there is one."""
        return self.trains or self.embeds or self.sharded(config)

    def config_subset(self, config: Config) -> dict[str, object]:
        """What the stage reads of the configuration, as plain JSON; paths are left out, names are not."""
        return without_places(config, self.reads_under(config)) | dict(self.derived(config))

    def sources(self, config: Config) -> dict[str, Source]:
        """{key: the file or folder that it names} of what the stage reads outside of the store."""
        return under(config, self.reads_under(config, names=False))


def under(config: Config, keys: Collection[str]) -> dict[str, Source]:
    """{key: the file or folder that it names} of the given keys and of keys in the given sections."""
    return {key: source for key, source in config.sources().items() if source.path is not None and covered(key, keys)}


def without_places(config: Config, keys: Collection[str]) -> dict[str, object]:
    """The values under `keys` as plain JSON, without paths, since it does not matter where a content lies.

    The keys of `LATER` are left out where they have their first value.
    """
    places = {key for key, source in config.sources().items() if source.is_place}
    found = config.subset(sorted(key for key in keys if key not in places))
    found = {key: value for key, value in found.items() if key not in LATER or value != LATER[key]}
    return {key: _without(value, key, places) for key, value in found.items()}


def _without(value: object, key: str, places: Collection[str]) -> object:
    if not isinstance(value, dict):
        return value
    inner = {name: f"{key}.{name}" for name in value}
    kept = {name: path for name, path in inner.items() if path not in places}
    return {
        name: _without(value[name], path, places)
        for name, path in kept.items()
        if path not in LATER or value[name] != LATER[path]
    }
