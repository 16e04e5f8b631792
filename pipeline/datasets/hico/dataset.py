"""HICO-DET as a dataset: its vocabulary, its published settings, and the images and pairs that lie on disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.datasets.dataset import BOXES, CORNERS, SplitTables
from pipeline.datasets.hico.settings import RARE, SETTINGS
from pipeline.datasets.hico.vocabulary import HICO, TRAIN_COUNTS
from pipeline.vocabulary.vocabulary import PERSON

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from pipeline.config.data import Data
    from pipeline.datasets.hico.loading import Loaded


class Hico:
    """The official 600 classes, whatever layout the pairs are in (see `pipeline.datasets.dataset.Dataset`)."""

    drawn = False
    upright = False
    vocabulary = HICO
    settings = SETTINGS
    rare: frozenset[int] | None = RARE
    """The official list, even where the annotation lacks some pairs."""

    train_counts: Mapping[int, int] = MappingProxyType(dict(enumerate(TRAIN_COUNTS)))
    """The published training pairs of each class."""

    def __init__(self, section: Data) -> None:
        self._section = section

    @cached_property
    def _found(self) -> Loaded:
        from pipeline.datasets.hico import loading

        section = self._section
        return loading.load(section.root, annotations=section.annotations, skip=section.faults == "skip")

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        """Pairs of both splits in continuous pixels, with their split."""
        from pipeline.datasets.hico.tables import continuous

        pairs = self._found.tables.pairs.merge(self._found.tables.images[["image_id", "split"]], on="image_id")
        return pairs.assign(**continuous(pairs[BOXES]))

    def tables(self, split: str) -> SplitTables:
        """The tables of a split; the first call reads both."""
        images = self._found.tables.images
        images = images[images["split"] == split].drop(columns="file_name").rename(columns={"path": "file_name"})
        pairs = self._pairs[self._pairs["split"] == split]
        presence = pairs[["image_id", "hoi_id", "object_id"]].drop_duplicates(ignore_index=True)
        if self._found.labels is not None:
            labels = self._found.labels.presence
            presence = labels[labels["image_id"].isin(images["image_id"])]
        return SplitTables(images=images, pairs=pairs, boxes=_distinct_boxes(pairs), presence=presence)

    def open(self, image_id: int) -> Image:
        """An image from its file."""
        from pipeline.datasets.images import read_rgb

        images = self._found.tables.images
        row = images[images["image_id"] == image_id].iloc[0]
        root = self._section.root
        assert root is not None  # it was loaded from there
        return read_rgb(root / row["path"], what=f"image {image_id}", size=(int(row["width"]), int(row["height"])))

    def about(self) -> dict[str, Any]:
        """The files that were read, and what they lack."""
        found, images = self._found, self._found.tables.images
        return {
            "source": "HICO-DET: " + "; ".join(f"{s.split} from {s.file.name} ({s.layout})" for s in found.used),
            "notes": "; ".join(f"{s.file.name}: {note}" for s in found.used for note in s.notes),
            "presence": "labels of whole images (anno.mat)" if found.labels else "annotated pairs (no anno.mat)",
            "faults": len(found.faults),
            "image_files": int((images["file_bytes"] > 0).sum()),
            "images_without_size": int((images["width"] == 0).sum()),
        }

    def faults(self) -> pd.DataFrame | None:
        """What was left out, which happens only where `data.faults` is "skip"."""
        import pandas as pd

        return pd.DataFrame([vars(f) for f in self._found.faults], columns=["file", "row", "what"], dtype="str")


def _distinct_boxes(pairs: pd.DataFrame) -> pd.DataFrame:
    """Each box once: HICO-DET repeats the box of a person or an object in every pair."""
    import pandas as pd

    sides = (("h", pairs.assign(object_id=PERSON)), ("o", pairs))
    boxes = [rows[["image_id", "object_id"]].assign(**{c: rows[f"{side}{c}"] for c in CORNERS}) for side, rows in sides]
    return pd.concat(boxes).drop_duplicates().sort_values(["image_id", "object_id"], kind="stable", ignore_index=True)
