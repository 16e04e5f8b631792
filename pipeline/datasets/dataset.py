"""What a dataset is to the pipeline: a vocabulary, zero-shot settings, tables and images.

`pipeline.datasets.configured` chooses the one that `data.source` names. Vocabulary and settings come from light files, so
that `ezhoi status` knows them without reading the data; tables and images are read only when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from pipeline.vocabulary.settings import Settings
    from pipeline.vocabulary.vocabulary import Vocabulary

SPLITS = ("train", "test")
CORNERS = ["x1", "y1", "x2", "y2"]
BOXES = [f"{side}{corner}" for side in "ho" for corner in CORNERS]
RARE_BELOW = 10
"""A class is rare when it has fewer annotated training pairs than this (HICO-DET's own definition)."""


@dataclass(frozen=True, kw_only=True)
class SplitTables:
    """One split as tables, in the dataset's own order; boxes in continuous pixels."""

    images: pd.DataFrame
    """image_id, file_name (relative to data.root), width, height, n_pairs, file_bytes (0: no file); and `exhaustive`, where
    the annotation of some image is said not to be complete."""
    pairs: pd.DataFrame
    """image_id, hoi_id, verb_id, object_id, hx1 .. hy2, ox1 .. oy2."""
    boxes: pd.DataFrame
    """image_id, object_id, x1 .. y2: every distinct annotated box, people (object 0) included."""
    presence: pd.DataFrame
    """image_id, hoi_id, object_id: which classes an image shows, with or without boxes."""


class Dataset(Protocol):
    """A source of annotated images.

    Counts, rarity and settings belong to the dataset: another one with the same classes may have others.
    """

    @property
    def vocabulary(self) -> Vocabulary:
        """Its verbs, objects and classes."""

    @property
    def settings(self) -> Settings:
        """Its own zero-shot settings; a user's (`data.settings`) come on top of them."""

    @property
    def rare(self) -> frozenset[int] | None:
        """Its rare classes; None if these are the classes with fewer than `RARE_BELOW` training pairs."""

    @property
    def drawn(self) -> bool:
        """Whether its images are drawn and exist in no file: the stage `annotations` then keeps what `open` draws."""

    @property
    def upright(self) -> bool:
        """Whether boxes refer to the pictures with their EXIF orientation applied, and not as they are stored."""

    def tables(self, split: str) -> SplitTables:
        """The tables of a split; `open` takes the same image ids, which are unique in the whole dataset."""

    def open(self, image_id: int) -> Image:
        """An image as RGB; DataError naming the file if it cannot be read."""

    def about(self) -> dict[str, Any]:
        """What it was read from, as metrics for people to read."""

    def faults(self) -> pd.DataFrame | None:
        """What was left out, in the columns file, row and what; None where nothing can be wrong."""
