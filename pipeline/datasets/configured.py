"""Chooses the dataset that `data.source` names, with the classes and zero-shot settings that the user adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.dataset import Dataset
from pipeline.datasets.folder import digest_of
from pipeline.datasets.hico import folder as hico
from pipeline.datasets.hico.dataset import Hico
from pipeline.datasets.own.dataset import Own
from pipeline.datasets.vcoco import folder as vcoco
from pipeline.datasets.vcoco.dataset import Vcoco
from pipeline.datasets.world.dataset import World
from pipeline.errors import DataError
from pipeline.store import digest
from pipeline.vocabulary import file, settings
from pipeline.vocabulary.settings import Settings
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pipeline.config.data import Data
    from pipeline.config.tree import Config


SETTINGS = tuple(Hico.settings)
"""Names of the settings that HICO-DET and the rendered world have."""


def fingerprint(folder: Path) -> str:
    """Digest of the tables in a packaged dataset's folder: its words, classes and settings (`data.source` by content)."""
    tables = sorted(path for path in folder.iterdir() if path.suffix in (".csv", ".json"))
    return digest.of_files((path.name, digest.of_file(path)) for path in tables)


def folder_fingerprint(root: Path) -> str:
    """Digest of a user's folder (`data.root`, `data.annotations`): of its files of HICO-DET and of V-COCO."""
    of_hico, of_vcoco = hico.fingerprint(root), vcoco.look(root)
    return digest.of_value([of_hico, digest_of(of_vcoco)]) if of_vcoco.annotations or of_vcoco.images else of_hico


def dataset(data: Data) -> Dataset:
    """The configured dataset; none of its files is read yet."""
    if data.source == "own":
        return Own(data)
    if data.source == "vcoco":
        return Vcoco(data)
    return Hico(data) if data.source == "hico" else World(data.world)


def vocabulary(config: Config) -> Vocabulary:
    """The classes that a run of this configuration has, for commands and plans, which have no artifact yet."""
    return extended(config.data) or dataset(config.data).vocabulary


def extended(data: Data) -> Vocabulary | None:
    """The dataset's vocabulary, followed by the classes of `data.classes`; None where no file is named.

    Raises:
        DataError: an entry of the file is wrong, or has an object that no class of the dataset has, so that its images have no
            boxes of it; the message names the file and the entry.
    """
    if data.classes is None:
        return None
    known = dataset(data).vocabulary
    found = file.extended(data.classes, known)
    boxed = {hoi.object_id for hoi in known.classes}
    strange = [thing.noun for thing in found.objects[len(known.objects) :]]
    strange += [hoi.object for hoi in found.classes if hoi.object_id not in boxed and hoi.object not in strange]
    if strange:
        raise DataError(
            f"data.classes = {data.classes}: no class of {known.name} has the object {', '.join(dict.fromkeys(strange))}, so "
            "nobody looks for its boxes. Give it to `ezhoi predict --classes` with a detector or boxes that know it, or put it "
            "into the dataset's own vocabulary"
        )
    return found


def all_settings(data: Data) -> tuple[Settings, Settings]:
    """The dataset's own zero-shot settings and the user's; DataError naming the file and the entry that is wrong."""
    known = dataset(data)
    if data.settings is None:
        return known.settings, {}
    own = settings.read_own(data.settings, known.vocabulary, taken=known.settings, counts=lambda: _train_counts(known))
    return known.settings, own


def _train_counts(known: Dataset) -> Mapping[int, int]:
    """How many training pairs each class has."""
    if isinstance(known, Hico | Own):
        return known.train_counts
    counts = known.tables("train").pairs["hoi_id"].value_counts()
    return dict(zip(counts.index.tolist(), counts.tolist(), strict=True))


def every_setting(data: Data) -> Settings:
    """The dataset's settings and the user's together; classes that nobody trains (`data.classes`) are unseen in all."""
    own, users = all_settings(data)
    beyond = _beyond(data)
    return {name: hidden | beyond for name, hidden in (*own.items(), *users.items())}


def unseen(config: Config) -> frozenset[int]:
    """The unseen classes of the configured setting, with those that no setting trains (`data.classes`).

    Raises:
        ConfigError: neither the dataset nor the user has the setting, or it hides none of the dataset's classes
            (`settings.unseen`).
        DataError: a file of the user's cannot be read.
    """
    own, users = all_settings(config.data)
    return settings.unseen({**own, **users}, config.setting) | _beyond(config.data)


def _beyond(data: Data) -> frozenset[int]:
    """The classes of `data.classes` that the dataset does not have."""
    more = extended(data)
    return frozenset() if more is None else added(more, dataset(data).vocabulary)


def added(more: Vocabulary, known: Vocabulary) -> frozenset[int]:
    """The ids of the classes that a vocabulary has beyond those that are known."""
    return frozenset(more.ids) - frozenset(known.ids)
