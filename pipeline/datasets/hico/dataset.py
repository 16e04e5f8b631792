"""HICO-DET from disk: both splits' annotation in whatever layouts lie there, joined with the image files.

load(Path("hico_20160224_det"))          # strict: the first fault stops, naming files and rows
load(Path("hico_20160224_det"), skip=True)   # what is faulty or missing is left out and told in `faults`
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.datasets.dataset import SPLITS
from pipeline.datasets.hico import folder as folders
from pipeline.datasets.hico.faults import SHOWN, Fault
from pipeline.datasets.hico.folder import Folder
from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.layouts.detect import Labels
from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.tables import Tables
from pipeline.errors import DataError
from pipeline.outside import reading


@dataclass(frozen=True)
class Source:
    """An annotation file that was used: for which split, its layout and what its reader concluded."""

    file: Path
    split: str
    layout: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """Tables of both splits. `images` has two more columns: `path`, relative to the root, and `file_bytes` (0: no file)."""

    tables: Tables
    sources: tuple[Source, ...]
    faults: tuple[Fault, ...]
    labels: Labels | None


def load(root: Path | None, *, annotations: Path | None = None, skip: bool = False) -> Loaded:
    """Read a dataset.

    Args:
        root: folder with the images, and with the annotation files unless `annotations` names another place.
        annotations: a folder of annotation files, or one file.
        skip: leave faulty rows and images without a file out, instead of stopping at them.

    Raises:
        DataError: a split has no annotation; a file has no known layout; or, unless `skip`, anything is faulty.
    """
    where = folders.look(_place(annotations or root))
    images = folders.look(_place(root)) if root and annotations else where
    parts, sources, faults = _annotation(where, skip=skip)
    table = pd.concat([parts[s].images for s in SPLITS], ignore_index=True)
    pairs = pd.concat([parts[s].pairs for s in SPLITS], ignore_index=True)
    table = _with_files(table, images)
    absent = _absent(table, images)
    if len(absent) and not skip:
        raise DataError(
            f"{images.root}: {len(absent)} image files are missing, for example {', '.join(absent['path'][:SHOWN])}. "
            "Complete the folder, or go on with the images that are there: --set data.faults=skip"
        )
    faults += [Fault(str(images.root), f"image {name}", "no such image file") for name in absent["path"]]
    table = _with_sizes(table.drop(index=absent.index).reset_index(drop=True), images)
    pairs = _resized(pairs[pairs["image_id"].isin(table["image_id"])], table)
    labels = detect.read(where.labels) if where.labels else None
    if labels is not None and not isinstance(labels, Labels):
        raise DataError(f"{where.labels}: is not the anno.mat of whole images")
    return Loaded(Tables(table, pairs), tuple(sources), tuple(faults), labels)


def _place(path: Path | None) -> Path:
    if path is None:
        raise DataError("data.source = hico needs the folder of HICO-DET: --set data.root=/path/to/hico_20160224_det")
    if not path.exists():
        raise DataError(f"{path}: no such folder or file (data.root or data.annotations)")
    return path


def _annotation(where: Folder, *, skip: bool) -> tuple[dict[str, Tables], list[Source], list[Fault]]:
    """Each split from the first file that tells it; the rest is not read."""
    parts: dict[str, Tables] = {}
    sources: list[Source] = []
    faults: list[Fault] = []
    for path in where.annotations:
        if len(parts) == len(SPLITS):
            break
        rows = detect.read(path)
        if not isinstance(rows, Rows):
            continue
        tables = rows.tables()
        fresh = [s for s in SPLITS if s not in parts and (tables.images["split"] == s).any()]
        if not fresh:
            continue
        if not skip:
            rows.faults.stop_if_any()
        faults += rows.faults.found
        parts |= {split: tables.of(split) for split in fresh}
        sources += [Source(path, split, rows.layout, tuple(rows.notes)) for split in fresh]
    if missing := [split for split in SPLITS if split not in parts]:
        read = ", ".join(str(path) for path in where.annotations) or "no annotation file"
        raise DataError(
            f"{where.root}: no annotation of the {' and '.join(missing)} images. Found: {read}. Looked for "
            f"{', '.join(folders.USUAL)} down to {folders.DEEPEST} levels; name another place with --set data.annotations=PATH"
        )
    return parts, sorted(sources, key=lambda source: SPLITS.index(source.split)), faults


def _with_files(table: pd.DataFrame, images: Folder) -> pd.DataFrame:
    found = {split: images.listing(split) for split in SPLITS}
    place = {split: images.images.get(split, f"images/{split}2015") for split in SPLITS}
    rows = list(zip(table["split"], table["file_name"], strict=True))
    return table.assign(
        path=[f"{place[split]}/{name}" for split, name in rows],
        file_bytes=[found[split].get(name, 0) for split, name in rows],
    )


def _absent(table: pd.DataFrame, images: Folder) -> pd.DataFrame:
    """Images without a file; none where there are no images at all, so that annotation alone can be read."""
    return table[(table["file_bytes"] == 0) & bool(images.images)]


def _with_sizes(table: pd.DataFrame, images: Folder) -> pd.DataFrame:
    """Sizes that the annotation does not tell are read from the headers of the files."""
    unknown = table[(table["width"] == 0) | (table["height"] == 0)]
    there = unknown[unknown["file_bytes"] > 0]
    if len(there):
        sizes = [image_size(images.root / path) for path in there["path"]]
        table.loc[there.index, ["width", "height"]] = sizes
    lost = table[(table["width"] == 0) & (table["n_pairs"] > 0)]
    if len(lost):
        raise DataError(
            f"{images.root}: the sizes of {len(lost)} images with pairs are unknown, for example {lost['file_name'].iloc[0]}: "
            "this layout does not tell them and the image files are not there. Add images/train2015 and images/test2015."
        )
    return table


def image_size(path: Path, *, decode: bool = False) -> tuple[int, int]:
    """Width and height by the file's header; DataError naming the file if it has none, or if it does not decode."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            reading.check_pixels(*image.size, what=str(path))
            if decode:
                image.load()
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({error})") from error


def _resized(pairs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Pairs with their images' sizes, which may come from the files, numbered throughout."""
    size = table.set_index("image_id")[["width", "height"]]
    joined = pairs.drop(columns=["width", "height"]).join(size, on="image_id").reset_index(drop=True)
    return joined.assign(pair_id=range(len(joined)))
