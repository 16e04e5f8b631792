"""HICO-DET from disk: both splits' annotation in whatever layouts lie there, joined with the image files.

load(Path("hico_20160224_det"))          # strict: the first fault stops, naming files and rows
load(Path("hico_20160224_det"), skip=True)   # what is faulty or missing is left out and listed in `faults`
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.datasets.dataset import SPLITS
from pipeline.datasets.faults import SHOWN, Fault
from pipeline.datasets.folder import DEEPEST, Folder, link_to_nowhere
from pipeline.datasets.hico import folder as folders
from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.layouts.detect import Labels
from pipeline.datasets.hico.layouts.parquet import OtherTableError
from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.tables import Tables
from pipeline.datasets.image_files import EMPTY, MISSING, image_size, why_absent
from pipeline.errors import DataError
from pipeline.outside import walking

log = logging.getLogger("ezhoi.data")


@dataclass(frozen=True)
class UsedFile:
    """An annotation file that was used: for which split, its layout and what its reader concluded."""

    file: Path
    split: str
    layout: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """An annotation file and what became of it: its rows and the splits for which it is the first, or why it has none."""

    file: Path
    rows: Rows | None = None
    tables: dict[str, Tables] = field(default_factory=dict)
    fresh: tuple[str, ...] = ()
    why_not: str = ""
    """Why the file is not used, where this is no error."""
    labels: Labels | None = None
    error: DataError | None = None
    """The error that stops a run: the file has an annotation file's name and cannot be read."""


@dataclass(frozen=True)
class Loaded:
    """Tables of both splits. `images` has two more columns: `path`, relative to the root, and `file_bytes` (0: no file)."""

    tables: Tables
    used: tuple[UsedFile, ...]
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
    parts, used, faults = _annotation(where, skip=skip)
    images = images.with_images_of({split: tables.images["file_name"] for split, tables in parts.items()})
    nowhere = [f"{path.name} is {link_to_nowhere(path)}" for path in dict.fromkeys((*where.nowhere, *images.nowhere))]
    passed = [line] if (line := walking.skipped_line({**where.passed, **images.passed})) else []
    for what in (*nowhere, *passed, *ambiguous_folders(images)):
        log.warning("%s: %s", images.root, what)
    table = pd.concat([parts[s].images for s in SPLITS], ignore_index=True)
    pairs = pd.concat([parts[s].pairs for s in SPLITS], ignore_index=True)
    table = _with_files(table, images)
    absent = _absent(table, images)
    if absent and not skip:
        raise DataError(
            f"{images.root}: {_in_words(absent, table)}. Complete the folder, or go on with the images that are there: "
            "--set data.faults=skip"
        )
    faults += [Fault(str(images.root), f"image {table['path'][row]}", why) for row, why in absent.items()]
    table = _with_sizes(table.drop(index=list(absent)).reset_index(drop=True), images)
    pairs = _resized(pairs[pairs["image_id"].isin(table["image_id"])], table)
    labels = detect.read(where.labels) if where.labels else None
    if labels is not None and not isinstance(labels, Labels):
        raise DataError(f"{where.labels}: is not the anno.mat of whole images")
    return Loaded(Tables(table, pairs), tuple(used), tuple(faults), labels)


def _place(path: Path | None) -> Path:
    if path is None:
        raise DataError("data.source = hico needs the folder of HICO-DET: --set data.root=/path/to/hico_20160224_det")
    if not path.exists():
        raise DataError(f"{path}: no such folder or file (data.root or data.annotations)")
    return path


def _annotation(where: Folder, *, skip: bool) -> tuple[dict[str, Tables], list[UsedFile], list[Fault]]:
    """Each split from the first file that has it."""
    parts: dict[str, Tables] = {}
    used: list[UsedFile] = []
    faults: list[Fault] = []
    why_not: list[str] = []
    for found in in_order(where):
        if found.error is not None:
            raise found.error
        if found.rows is None:
            why_not.append(f"{found.file} ({found.why_not})")
            continue
        if found.fresh and not skip:
            found.rows.faults.stop_if_any()
        faults += found.rows.faults.found if found.fresh else []
        parts |= {split: found.tables[split] for split in found.fresh}
        used += [UsedFile(found.file, s, found.rows.layout, tuple(found.rows.notes)) for s in found.fresh]
    if missing := [split for split in SPLITS if split not in parts]:
        why_not += [f"{path} ({link_to_nowhere(path)})" for path in where.nowhere]
        why_not += [line] if (line := walking.skipped_line(where.passed)) else []
        read = ", ".join([*(str(one.file) for one in used), *why_not]) or "no annotation file"
        raise DataError(
            f"{where.root}: no annotation of the {' and '.join(missing)} images. Found: {read}. Looked for "
            f"{', '.join(folders.USUAL)} down to {DEEPEST} levels; name another place with --set data.annotations=PATH"
        )
    return parts, sorted(used, key=lambda one: SPLITS.index(one.split)), faults


def in_order(where: Folder) -> Iterator[Found]:
    """The annotation files of a folder in their order; each is read unless the ones before it have both splits.

    A run and `ezhoi data check` both use this, so that they agree.
    """
    told: set[str] = set()
    for path in where.annotations:
        if len(told) == len(SPLITS):
            yield Found(path, why_not="not read: the files before it tell both splits")
            continue
        try:
            rows = detect.read(path)
            if not isinstance(rows, Rows):
                yield Found(path, why_not="labels of whole images", labels=rows)
                continue
            tables = rows.tables()
        except OtherTableError as error:
            yield Found(path, why_not=str(error).removeprefix(f"{path}: "))
        except DataError as error:
            yield Found(path, error=error)
        else:
            by_split = {split: tables.of(split) for split in SPLITS if (tables.images["split"] == split).any()}
            yield Found(path, rows=rows, tables=by_split, fresh=tuple(s for s in by_split if s not in told))
            told |= by_split.keys()


def ambiguous_folders(where: Folder) -> list[str]:
    """A sentence for each split that has several folders of its name with pictures in them."""
    return [
        f"{len(places)} folders are called {split}2015 ({', '.join(places)}); the images are taken from {where.images[split]}, "
        "which has most of the annotated ones"
        for split, places in (where.candidates or {}).items()
    ]


def _with_files(table: pd.DataFrame, images: Folder) -> pd.DataFrame:
    found = {split: images.listing(split) for split in SPLITS}
    place = {split: images.images.get(split, f"images/{split}2015") for split in SPLITS}
    rows = list(zip(table["split"], table["file_name"], strict=True))
    return table.assign(
        path=[f"{place[split]}/{name}" for split, name in rows],
        file_bytes=[found[split].get(name, 0) for split, name in rows],
    )


def _absent(table: pd.DataFrame, images: Folder) -> dict[int, str]:
    """{row: why} of images without a file that can be read; none where there are no images at all, so that
    annotation can be read without images."""
    if not images.images:
        return {}
    paths = table.loc[table["file_bytes"] == 0, "path"]
    return {row: why_absent(images.root / path) for row, path in zip(paths.index.tolist(), paths, strict=True)}


def _in_words(absent: dict[int, str], table: pd.DataFrame) -> str:
    """How many images are absent for which reason, with the first of each."""
    empty = [row for row, why in absent.items() if why == EMPTY]
    missing = [row for row in absent if row not in set(empty)]
    parts = []
    for rows, what in (
        (missing, "image files are missing"),
        (empty, "image files cannot be read, they are empty (0 bytes)"),
    ):
        if rows:
            named = [
                table["path"][row] + ("" if absent[row] in (EMPTY, MISSING) else f" ({absent[row]})") for row in rows
            ]
            parts.append(f"{len(rows)} {what}, for example {', '.join(named[:SHOWN])}")
    return "; ".join(parts)


def _with_sizes(table: pd.DataFrame, images: Folder) -> pd.DataFrame:
    """The images with the sizes that the annotation lacks, read from the files' headers."""
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


def _resized(pairs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Pairs with their images' sizes, some of which come from the files, and with new pair ids."""
    size = table.set_index("image_id")[["width", "height"]]
    joined = pairs.drop(columns=["width", "height"]).join(size, on="image_id").reset_index(drop=True)
    return joined.assign(pair_id=range(len(joined)))
