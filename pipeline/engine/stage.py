"""What a stage is: what it reads of the configuration, of files outside of the store, and of other stages' artifacts.

Light on purpose: planning a run imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.data import is_checkpoint
from pipeline.config.packaged import PACKAGED
from pipeline.config.tree import Config
from pipeline.datasets import sources
from pipeline.datasets.hico import folder
from pipeline.store import digest
from pipeline.texts.llm import templates

FINGERPRINTS: dict[str, Callable[[Path], str]] = {
    "data.root": folder.fingerprint,
    "data.annotations": folder.fingerprint,
    "data.source": sources.fingerprint,
}
"""Files outside of the store whose fingerprint is not the digest of all their bytes, by config key."""
FOLDERS = (
    *FINGERPRINTS,
    "descriptions.source",
    "disparities.source",
    "descriptions.pictures",
    "detections.path",
    "detections.weights",
)
"""Config keys of `files` that may name a folder; the others name a file."""


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
    when: tuple[str, tuple[str, ...]] | None = None
    """A config key and the values of it under which the stage has this input; None: always."""

    def counts(self, config: Config) -> bool:
        """Whether the stage has this input under a configuration."""
        return self.when is None or config.subset([self.when[0]])[self.when[0]] in self.when[1]


@dataclass(frozen=True)
class Stage:
    """Declaration of a stage: `reads` are the dotted config keys that enter its fingerprint."""

    name: str
    version: int
    reads: tuple[str, ...]
    inputs: tuple[Input, ...] = ()
    joint: tuple[Input, ...] = ()
    """What it reads in joint training (`seen.joint`), instead of or beside its inputs of the same stages."""
    files: tuple[str, ...] = ()
    """Config keys that hold the path of a file whose content enters the fingerprint (and whose path does not)."""
    says: str = ""
    trains: bool = False
    """A training."""
    embeds: bool = False
    """Embeds texts with CLIP."""
    shards: bool = False
    """Goes through all images, in shards."""
    source: str = ""
    """Config key that says where its texts come from; with "llm" there it holds the language model's server alone."""

    def server(self, config: Config) -> str | None:
        """Address of the language model that the stage asks, if it asks one."""
        if not self.source or config.subset([self.source])[self.source] != "llm":
            return None
        return config.llm.runtime.base_url

    def resolved(self, config: Config) -> Stage:
        """The stage with the inputs that it has under a configuration."""
        edges = (*self.inputs, *(self.joint if config.seen.joint else ()))
        own = {edge.stage: edge for edge in edges if edge.counts(config)}
        return replace(self, inputs=tuple(own.values()), joint=())

    def sharded(self, config: Config) -> bool:
        """Whether several runs can compute the stage together, shard by shard (`pipeline/work/shards.py`)."""
        return self.shards and (self.name != "detections" or config.detections.source == "detr")

    def computes(self, config: Config) -> bool:
        """Whether it computes on the configured device: it holds a GPU alone where there is one."""
        return self.trains or self.embeds or self.sharded(config)

    def processes(self, config: Config) -> int:
        """How many processes compute the stage together, one a GPU."""
        return config.seen.runtime.processes if self.name == "seen" else 1

    def config_subset(self, config: Config) -> dict[str, object]:
        """What the stage reads of the configuration, as plain JSON; file paths are left out, names of templates not."""
        files = {key for key, path in self.source_files(config).items() if path.parent != templates.FOLDER}
        found: dict[str, object] = dict(config.subset([key for key in self.reads if key not in files]))
        parts = config.seen.runtime.processes * config.seen.runtime.accumulate
        if self.name == "seen" and parts > 1 and config.model.preset == "released" and config.seen.weights is None:
            found["seen.parts"] = parts  # its dropout is drawn anew for each part of a batch
        return found

    def source_files(self, config: Config) -> dict[str, Path]:
        """The files outside of the store that the stage reads: {config key: path}."""
        found = {}
        for key in self.files:
            value: Any = config
            for part in key.split("."):
                value = getattr(value, part)
            if value in PACKAGED:
                found[key] = PACKAGED[str(value)]
            elif key.endswith("template"):
                path = templates.path_of(str(value))
                found |= {key: path} if path.is_file() else {}
            elif isinstance(value, Path) or (isinstance(value, str) and _is_file(key, value)):
                found[key] = Path(value)
        return found


def _is_file(key: str, value: str) -> bool:
    """Whether a word of the configuration means a file; a detector's weights may be a folder, or else a hub's name."""
    if key == "clip.weights":
        return is_checkpoint(value)
    return value.endswith((".safetensors", ".pt", ".bin")) or (key == "detections.weights" and Path(value).is_dir())


def source_digest(key: str, path: Path) -> str:
    """Digest of the file or folder that a config key names, as it enters fingerprints and manifests."""
    return FINGERPRINTS.get(key, digest.of_path)(path)
