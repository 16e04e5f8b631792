"""What a stage is: what it reads of the configuration, of files outside of the store, and of other stages' artifacts.

Light on purpose: planning a run imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config.sources import Content, Source
from pipeline.config.tree import Config
from pipeline.datasets import sources
from pipeline.datasets.own import folder as own_folder
from pipeline.store import digest
from pipeline.work import machines
from pipeline.work.machines import Rendezvous

Condition = Callable[[Config], bool]
"""Whether something holds under a configuration."""
DIGESTS: Mapping[Content, Callable[[Path], str]] = {
    "bytes": digest.of_path,
    "tables": sources.fingerprint,
    "images": sources.folder_fingerprint,
    "own": own_folder.fingerprint,
}
"""How the digest of a source is taken, by what of it counts."""


LATER: Mapping[str, object] = {
    "data.classes": None,
    "data.val2017": None,
    "data.world.evaluated": "test",
    "model.inter": "block",
}
"""Keys that were added when artifacts were in use, and the value that these were made with: it is left out of fingerprints, so
that they stay good."""


def source_digest(source: Source) -> str:
    """Digest of the file or folder that a source names, as it enters fingerprints and manifests."""
    assert source.path is not None, f"{source} names no file"
    return DIGESTS[source.content](source.path)


@dataclass(frozen=True)
class Input:
    """An artifact a stage reads, or the part of it whose files match one of the `part` patterns.

    Only the digests of the named files count, so a stage stays fresh when another part of its input changes.
    """

    stage: str
    part: tuple[str, ...] = ("*",)
    loose: bool = False
    """Where the stage's artifact is reused, this input may be another than it was made from: a model that learned under
    some texts is used with others. Sizes and vocabulary are held by the configuration (`pipeline/engine/fit.py`)."""
    when: Condition | None = None
    """Under which configurations the stage has this input; None: always."""

    def counts(self, config: Config) -> bool:
        """Whether the stage has this input under a configuration."""
        return self.when is None or self.when(config)


@dataclass(frozen=True)
class When:
    """Config keys that a stage reads under some configurations only; as those of the stage."""

    holds: Condition
    reads: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """Declaration of a stage: `reads` are the dotted config keys that enter its fingerprint.

    Of a key that names a file or a folder (`pipeline/config/sources.py`), alone or in a section, the content enters it too,
    and a path does not.
    """

    name: str
    version: int
    reads: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Keys of which it reads the name that was chosen, and nothing of what the name stands for."""
    when: tuple[When, ...] = ()
    """What it reads besides, depending on the configuration: no seed, where nothing is drawn."""
    inputs: tuple[Input, ...] = ()
    joint: tuple[Input, ...] = ()
    """What it reads in joint training (`seen.joint`), instead of or beside its inputs of the same stages."""
    says: str = ""
    trains: bool = False
    """A training."""
    embeds: bool = False
    """Embeds texts with CLIP."""
    pictures: tuple[str, ...] = ()
    """Splits with whose pictures its time grows."""
    shards: bool = False
    """Goes through all images, in shards."""
    asks: Condition | None = None
    """Of a stage that makes texts: whether it asks a language model, whose server it holds alone then."""

    def declared(self, *, names: bool = True) -> frozenset[str]:
        """Every key that it reads under any configuration; without `names`, those of which the content counts."""
        parts: tuple[Stage | When, ...] = (self, *self.when)
        return frozenset(key for part in parts for key in (*part.reads, *(part.names if names else ())))

    def reads_under(self, config: Config, *, names: bool = True) -> frozenset[str]:
        """The same under a configuration."""
        return replace(self, when=tuple(when for when in self.when if when.holds(config))).declared(names=names)

    def server(self, config: Config) -> str | None:
        """Address of the language model that the stage asks, if it asks one."""
        return config.llm.runtime.base_url if self.asks is not None and self.asks(config) else None

    def resolved(self, config: Config) -> Stage:
        """The stage with the inputs that it has under a configuration."""
        edges = (*self.inputs, *(self.joint if config.seen.joint else ()))
        own = {edge.stage: edge for edge in edges if edge.counts(config)}
        return replace(self, inputs=tuple(own.values()), joint=())

    def looks_at(self, config: Config) -> tuple[str, ...]:
        """`pictures` under a configuration: pairs of training pictures are made for `utpl` alone."""
        needless = self.name == "pair_features" and not config.utpl_trains
        return tuple(split for split in self.pictures if not (needless and split == "train"))

    def sharded(self, config: Config) -> bool:
        """Whether helpers can compute some of the stage, shard by shard (`pipeline/work/helpers.py`)."""
        return self.shards and (self.name != "detections" or config.detections.source == "hub")

    def computes(self, config: Config) -> bool:
        """Whether it computes on the configured device: it holds a GPU alone where there is one."""
        return self.trains or self.embeds or self.sharded(config)

    def processes(self, config: Config) -> int:
        """How many processes of this machine compute the stage together, one a GPU."""
        return config.seen.runtime.processes if self.name == "seen" else 1

    def joined_by(self, config: Config) -> Rendezvous | None:
        """Where machines meet that compute the stage together, and which of them this is; None if one does it alone.

        Raises:
            ConfigError: that is not known (`pipeline/work/machines.py`).
        """
        trains = self.name == "seen" and config.seen.weights is None
        return machines.rendezvous(config.seen.runtime) if trains else None

    def config_subset(self, config: Config) -> dict[str, object]:
        """What the stage reads of the configuration, as plain JSON; paths are left out, names are not."""
        found = without_places(config, self.reads_under(config))
        runtime = config.seen.runtime
        parts = runtime.machines * runtime.processes * runtime.accumulate
        if self.name == "seen" and parts > 1 and config.model.preset == "released" and config.seen.weights is None:
            found["seen.parts"] = parts  # its dropout is drawn anew for each part of a batch
        if self.name == "pair_features":  # heads that read the same share the pairs
            found |= {"pairs.columns": list(config.pair_columns)} if config.pair_columns else {}
            found |= {"pairs.drawn": True} if config.draws_pairs else {}
        return found

    def sources(self, config: Config) -> dict[str, Source]:
        """{config key: the file or folder that it names} of what the stage reads outside of the store."""
        return under(config, self.reads_under(config, names=False))


def covered(key: str, keys: Collection[str]) -> bool:
    """Whether a key is one of `keys`, or in a section that is."""
    return any(key == other or key.startswith(f"{other}.") for other in keys)


def under(config: Config, keys: Collection[str]) -> dict[str, Source]:
    """{key: what it names} of the files and folders that the keys, or keys in these sections, name."""
    return {key: source for key, source in config.sources().items() if source.path is not None and covered(key, keys)}


def without_places(config: Config, keys: Collection[str]) -> dict[str, object]:
    """The values under `keys` as plain JSON, without those that are paths: where a content lies says nothing of it.

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
