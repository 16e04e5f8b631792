"""Pictures of one's own as a dataset: its words, its settings, its splits, and the tables of both."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.dataset import BOXES, CORNERS, SPLITS, SplitTables
from pipeline.datasets.own import folder
from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.vocabulary import settings as zero_shot
from pipeline.vocabulary.settings import Settings
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from pipeline.config.data import Data
    from pipeline.datasets.own.annotated import Annotated

log = logging.getLogger("ezhoi.datasets")


class Own:
    """Annotations of any tool that is read (docs/own-data.md); see `pipeline.datasets.dataset.Dataset`.

    Images are numbered from 1 in the order of the annotation. Classes without an object have no rows in the tables of pairs.
    """

    drawn = False
    upright = True
    rare = None
    """None: a class is rare by the number of its training pairs."""

    def __init__(self, section: Data) -> None:
        self._section = section

    @cached_property
    def _place(self) -> tuple[Path, Path, Path | None]:
        """The pictures, the annotation, and the file with the words."""
        root = self._section.root
        path = folder.place(root, self._section.annotations)
        assert root is not None  # `place` demands it
        return root, path, folder.words(root, path)

    @cached_property
    def _found(self) -> Annotated:
        root, path, words = self._place
        state = f"{folder.fingerprint(path)} {folder.fingerprint(root)}"
        return _read(path, root, words, self._section.own.annotator, state)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of `vocabulary.yaml`; without that file, the annotation is read for its own words."""
        words = self._place[2]
        return folder.read_words(words) if words is not None else self._found.vocabulary

    @cached_property
    def settings(self) -> Settings:
        """The settings of `vocabulary.yaml`, by names or by rule, and the one in which every class is seen."""
        given: Any = {}
        if (words := self._place[2]) is not None:
            value = reading.yaml_value(words)
            given = value.get("settings", {}) if isinstance(value, dict) else {}
        origin = f"{words}: settings"
        own = zero_shot.parse(given, self.vocabulary, origin=origin, counts=lambda: self.train_counts)
        return {zero_shot.DEFAULT: frozenset()} | own

    @cached_property
    def train_counts(self) -> Mapping[int, int]:
        """How many training pairs each class has."""
        counts = self.tables("train").pairs["hoi_id"].value_counts()
        return dict(zip(counts.index.tolist(), counts.tolist(), strict=True))

    @cached_property
    def splits(self) -> list[str]:
        """train or test of every picture, as the annotation tells or as the configured rule draws."""
        from pipeline.datasets.own import splits

        rows, own = self._found.rows, self._section.own
        if (stated := splits.stated(rows.images["split"].tolist())) is None:
            stated = split_by_rule(self._found, self._place[0], share=own.test_share, seed=own.seed)
        for split in SPLITS:
            if split not in stated:
                raise DataError(
                    f"{self._found.file}: none of {len(stated):,} pictures is for {split}; tell more, or another "
                    "data.own.test_share"
                )
        return stated

    @cached_property
    def _in_both(self) -> int:
        """How many test pictures are training pictures too, under another name; a warning names one."""
        from pipeline.datasets.own import splits

        names = self._found.rows.images["file_name"].tolist()
        twins = splits.in_both([self._place[0] / name for name in names], self.splits)
        if twins:
            test, train = twins[0]
            log.warning(
                "%s: %d of %d test pictures are training pictures too, such as %s, which is %s: what is measured on them "
                "was seen in training",
                self._found.file,
                len(twins),
                self.splits.count("test"),
                names[test],
                names[train],
            )
        return len(twins)

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        """Pairs of both splits: image (position), classes and corners."""
        rows = self._found.rows
        pairs = self._found.pairs
        sides = (("h", "subject"), ("o", "object"))
        corners = {
            f"{side}{corner}": rows.boxes[corner].to_numpy()[pairs[end].to_numpy()]
            for side, end in sides
            for corner in CORNERS
        }
        return pairs[["image", "hoi_id", "verb_id", "object_id"]].assign(**{name: corners[name] for name in BOXES})

    def tables(self, split: str) -> SplitTables:
        """The tables of a split; DataError if rows are faulty and may not be left out (`data.faults`)."""
        import numpy as np

        if self._section.faults == "error":
            self._found.problems.stop_if_any()
        rows, root = self._found.rows, self._place[0]
        mine = np.array([one == split for one in self.splits])
        pairs = self._pairs.assign(image_id=self._pairs["image"] + 1)
        counts = pairs["image"].value_counts().reindex(range(len(mine)), fill_value=0).to_numpy()
        images = rows.images[["file_name", "width", "height"]].assign(image_id=range(1, len(mine) + 1), n_pairs=counts)
        if not rows.images["exhaustive"].all():
            images = images.assign(exhaustive=rows.images["exhaustive"])
        images = images[mine].reset_index(drop=True)
        sizes = [_bytes(root / name) for name in images["file_name"]]
        boxes = rows.boxes.assign(image_id=rows.boxes["image"] + 1)[mine[rows.boxes["image"].to_numpy()]]
        pairs = pairs[mine[pairs["image"].to_numpy()]].reset_index(drop=True)
        return SplitTables(
            images=images.assign(file_bytes=sizes),
            pairs=pairs,
            boxes=boxes[["image_id", "object_id", *CORNERS]].drop_duplicates(ignore_index=True),
            presence=pairs[["image_id", "hoi_id", "object_id"]].drop_duplicates(ignore_index=True),
        )

    def open(self, image_id: int) -> Image:
        """The picture of an id, turned as its EXIF orientation says."""
        from pipeline.datasets.images import read_upright

        return read_upright(self._place[0] / self._found.rows.images["file_name"][image_id - 1])

    def about(self) -> dict[str, Any]:
        """The annotation that was read, and what of it is no pair or was left out."""
        from pipeline.datasets.own.annotated import TITLES

        found = self._found
        alone = int((found.rows.relations["object"] < 0).sum())
        counts = found.problems.count()
        return {
            "source": f"own pictures: {TITLES[found.layout]} ({found.file.name})",
            "acting_alone": alone,
            "not_exhaustive": int((~found.rows.images["exhaustive"]).sum()),
            "faults": counts["E"],
            "warnings": counts["W"],
            "splits": "as told" if (found.rows.images["split"] != "").any() else "drawn by a seeded rule",
            "in_both_splits": self._in_both,
        }

    def faults(self) -> pd.DataFrame | None:
        """The rows that were left out, with the reasons; there are some only where `data.faults` is "skip"."""
        import pandas as pd

        errors = self._found.problems.of("E")
        return pd.DataFrame(
            [(problem.file, problem.where, problem.what) for problem in errors],
            columns=["file", "row", "what"],
            dtype="str",
        )


@lru_cache(maxsize=2)
def _read(path: Path, root: Path, words: Path | None, annotator: str | None, state: str) -> Annotated:
    """The annotation, read once for all who ask while the files are in the same `state`."""
    from pipeline.datasets.own import annotated
    from pipeline.datasets.own.pictures import Pictures

    pictures = Pictures.under(root)
    if not pictures:
        raise DataError(f"{root}: no picture is in this folder (data.root)")
    return annotated.read(path, vocabulary=words, pictures=pictures, annotator=annotator)


def split_by_rule(found: Annotated, root: Path, *, share: float, seed: int) -> list[str]:
    """train or test of every picture, drawn (`pipeline/datasets/own/splits.py`); all of them are opened for it."""
    import numpy as np

    from pipeline.datasets.own import splits

    rows = found.rows
    verbs = len(found.vocabulary.verbs)
    things = np.append(rows.boxes["object_id"].to_numpy(), -1)  # the last is that of who acts alone
    object_of = things[rows.relations["object"].to_numpy()] + 1
    return splits.drawn(
        len(rows.images),
        rows.relations["image"].to_numpy(),
        rows.relations["verb_id"].to_numpy() + verbs * object_of,
        share=share,
        seed=seed,
        groups=splits.alike([root / name for name in rows.images["file_name"]]),
    )


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
