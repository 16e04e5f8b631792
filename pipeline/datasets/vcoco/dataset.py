"""V-COCO as a dataset: trainval for training and test, from the pair files, with COCO's images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.dataset import BOXES, CORNERS, SplitTables
from pipeline.datasets.vcoco import classes
from pipeline.datasets.vcoco import settings as zero_shot
from pipeline.errors import DataError
from pipeline.outside import walking
from pipeline.outside.parsing import shown
from pipeline.vocabulary.settings import Settings
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from pipeline.config.data import Data
    from pipeline.datasets.faults import Fault
    from pipeline.datasets.folder import Folder

PARTS = {"train": (("trainval",), ("train", "val")), "test": (("test",),)}
"""The pair files of each split: any one of these groups is enough."""


@dataclass(frozen=True)
class _Loaded:
    """Both splits; `images` has columns split, and file_name relative to the root."""

    root: Path
    images: pd.DataFrame
    pairs: pd.DataFrame
    people: pd.DataFrame
    """Boxes of persons who act without an object in the file: image_id, object_id, x1 .. y2."""
    files: tuple[Path, ...]
    faults: tuple[Fault, ...]


class Vcoco:
    """The 236 compositions of 24 action-roles (see `pipeline.datasets.dataset.Dataset`); image ids are COCO's."""

    drawn = False
    upright = False
    rare = None

    def __init__(self, section: Data) -> None:
        self._section = section

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The roles' verbs, COCO's objects and the compositions."""
        return classes.vocabulary()

    @cached_property
    def settings(self) -> Settings:
        """V-COCO-SG's splits, combinations by VCL's rule, and verbs."""
        return zero_shot.settings()

    def tables(self, split: str) -> SplitTables:
        """The tables of a split; the first call reads both."""
        import pandas as pd

        found = self._found
        images = found.images[found.images["split"] == split].drop(columns="split").reset_index(drop=True)
        pairs = found.pairs[found.pairs["image_id"].isin(images["image_id"])].reset_index(drop=True)
        sides = (("h", pairs.assign(object_id=PERSON)), ("o", pairs))
        boxes = [r[["image_id", "object_id"]].assign(**{c: r[f"{side}{c}"] for c in CORNERS}) for side, r in sides]
        people = found.people[found.people["image_id"].isin(images["image_id"])]
        distinct = pd.concat([*boxes, people]).drop_duplicates()
        return SplitTables(
            images=images,
            pairs=pairs,
            boxes=distinct.sort_values(["image_id", "object_id"], kind="stable", ignore_index=True),
            presence=pairs[["image_id", "hoi_id", "object_id"]].drop_duplicates(ignore_index=True),
        )

    def open(self, image_id: int) -> Image:
        """An image from its file."""
        from pipeline.datasets.images import read_rgb

        found = self._found
        row = found.images[found.images["image_id"] == image_id].iloc[0]
        size = (int(row["width"]), int(row["height"]))
        return read_rgb(found.root / row["file_name"], what=f"image {image_id}", size=size)

    def about(self) -> dict[str, Any]:
        """The files that were read, and what they lack."""
        found = self._found
        return {
            "source": "V-COCO: " + ", ".join(path.name for path in found.files),
            "notes": "pairs of two visible boxes: a quarter of the labelled actions, whose object is out of sight, is absent",
            "faults": len(found.faults),
            "image_files": int((found.images["file_bytes"] > 0).sum()),
        }

    def faults(self) -> pd.DataFrame | None:
        """What was left out, which happens only where `data.faults` is "skip"."""
        import pandas as pd

        return pd.DataFrame([vars(fault) for fault in self._found.faults], columns=["file", "row", "what"], dtype="str")

    @cached_property
    def _found(self) -> _Loaded:
        from pipeline.datasets.vcoco import folder

        section = self._section
        if section.root is None:
            raise DataError(
                "data.source = vcoco needs the folder with COCO's train2014 and val2014: --set data.root=/path/to/coco"
            )
        for place in (section.root, section.annotations):
            if place is not None and not place.exists():
                raise DataError(f"{place}: no such folder or file (data.root or data.annotations)")
        annotation = folder.look(section.annotations or section.root)
        return _load(annotation, folder.look(section.root), skip=section.faults == "skip")


def _load(annotation: Folder, pictures: Folder, *, skip: bool) -> _Loaded:
    """Read the pair files and join them with the image files.

    Raises:
        DataError: a split has no pair file, an image is in both, or, unless `skip`, a row is faulty or an image is missing.
    """
    import pandas as pd

    from pipeline.datasets.vcoco import reader

    images, pairs, files = [], [], []
    faults: list[Fault] = []
    for split in PARTS:
        for path in _files(annotation, split):
            found = reader.read(path, skip=skip)
            _demand_roles(found, path)
            images.append(found.images.assign(split=split))
            pairs.append(found.pairs)
            files.append(path)
            faults += found.faults
    table = pd.concat(images, ignore_index=True)
    if (twice := table["image_id"].duplicated()).any():
        raise DataError(
            f"{annotation.root}: image {table['file_name'][twice].iloc[0]} is in two splits, or twice in one"
        )
    table, absent = _with_files(table, pictures, skip=skip)
    every = pd.concat(pairs, ignore_index=True)
    every = every[every["image_id"].isin(table["image_id"])].reset_index(drop=True)
    in_sight = every["object_id"].notna()
    alone = every[~in_sight]
    people = alone[["image_id"]].assign(object_id=PERSON, **{c: alone[f"h{c}"] for c in CORNERS}).drop_duplicates()
    return _Loaded(pictures.root, table, _classed(every[in_sight], files), people, tuple(files), (*faults, *absent))


def _files(annotation: Folder, split: str) -> list[Path]:
    """The pair files of a split; DataError naming what is missing."""
    by_part: dict[str, Path] = {}
    for path in annotation.annotations:
        part = path.name.removeprefix("instances_vcoco_").partition(".")[0]
        by_part.setdefault(part, path)
    for parts in PARTS[split]:
        if all(part in by_part for part in parts):
            return [by_part[part] for part in parts]
    there = ", ".join(path.name for path in annotation.annotations) or "none"
    passed = f"; {passed}" if (passed := walking.skipped_line(annotation.passed)) else ""
    needed = " or ".join(" and ".join(f"instances_vcoco_{part}.json" for part in parts) for parts in PARTS[split])
    raise DataError(
        f"{annotation.root}: no pair file of the {split} split: {needed} is needed; there are: {there}{passed}. Name another "
        "place with --set data.annotations=PATH"
    )


def _demand_roles(found: Any, path: Path) -> None:
    """DataError unless a file numbers the 24 roles as the published ones do."""
    from pipeline.datasets.vcoco.actions import ROLES

    if found.actions != ROLES:
        raise DataError(f"{path}: its classes are not the 24 action-roles of V-COCO in their order: {', '.join(ROLES)}")


def _with_files(table: pd.DataFrame, pictures: Folder, *, skip: bool) -> tuple[pd.DataFrame, list[Fault]]:
    """Images with their file, bytes, width and height; those without a file are faults and left out."""
    import pandas as pd

    from pipeline.datasets.faults import Fault
    from pipeline.datasets.image_files import image_size, why_absent
    from pipeline.datasets.vcoco.folder import IMAGES

    there = {part: pictures.listing(part) for part in IMAGES}
    parts = table["file_name"].str.extract(r"COCO_(\w+?)_")[0]
    place = {part: pictures.images.get(part, part) for part in IMAGES}
    path = pd.Series([f"{place[part]}/{name}" for part, name in zip(parts, table["file_name"], strict=True)])
    size = pd.Series(
        [there[part].get(name, 0) for part, name in zip(parts, table["file_name"], strict=True)], dtype="int64"
    )
    missing = path[size == 0].tolist()
    if missing and (not skip or len(missing) == len(table)):
        raise DataError(
            f"{pictures.root}: {len(missing):,} of {len(table):,} image files are missing or empty, for example "
            f"{', '.join(missing[:3])}. V-COCO's images are COCO's train2014 and val2014, in folders of these names below "
            "data.root; --set data.faults=skip goes on with those that are there"
        )
    table = table.assign(file_name=path, file_bytes=size)[size > 0].reset_index(drop=True)
    sizes = [image_size(pictures.root / name) for name in table["file_name"]]
    faults = [Fault(str(pictures.root), f"image {name}", why_absent(pictures.root / name)) for name in missing]
    return table.assign(width=[w for w, _ in sizes], height=[h for _, h in sizes]), faults


def _classed(pairs: pd.DataFrame, files: list[Path]) -> pd.DataFrame:
    """Pairs with their class; DataError naming a composition that is none."""
    words = classes.vocabulary()
    table = words.lookup(words.ids)
    hoi = table[pairs["object_id"].to_numpy(dtype="int64"), pairs["action_id"].to_numpy(dtype="int64")]
    if (hoi < 0).any():
        row = pairs[hoi < 0].iloc[0]
        name = f"{words.verb_names[int(row['action_id'])]} {words.object_names[int(row['object_id'])]}"
        raise DataError(
            f"{files[0].parent}: {shown(name)} (image {int(row['image_id'])}) is none of V-COCO's {len(words.classes)} "
            f"compositions, nor are {int((hoi < 0).sum()):,} pairs"
        )
    found = pairs.assign(hoi_id=hoi, verb_id=pairs["action_id"].astype("int64"))
    found = found.astype({"object_id": "int64"})
    return found[["image_id", "hoi_id", "verb_id", "object_id", *BOXES]]
