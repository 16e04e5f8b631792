"""Where things are under a HICO-DET folder: annotation files by their usual names, image folders by theirs.

Light on purpose (standard library alone): the fingerprint of `data.root` is taken whenever a run is planned. It covers
the content of the annotation files, and of the images only name and size: no image is read for it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from pipeline.store import digest

USUAL = (
    "anno_bbox.mat",
    "instances_*2015*.json*",
    "*pairs*.parquet",
    "hico-det-*instance-level*.json*",
    "trainval_hico*.json*",
    "test_hico*.json*",
)
"""Names of annotation files. Where several tell the same split, the first kind here is used."""
LABELS = "anno.mat"
BESIDE = "*images*.parquet"
"""Read along with a table of pairs."""
DEEPEST = 4
"""Levels below the folder that are searched."""
IMAGES = ("train2015", "test2015")


@dataclass(frozen=True)
class Folder:
    """What lies under `root`; image folders by split, relative to it."""

    root: Path
    annotations: tuple[Path, ...]
    labels: Path | None
    images: dict[str, str]
    beside: tuple[Path, ...] = ()

    def listing(self, split: str) -> dict[str, int]:
        """{file name: bytes} of the image folder of a split; empty if there is none."""
        if split not in self.images:
            return {}
        with os.scandir(self.root / self.images[split]) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.name.endswith(".jpg")}


def look(root: Path) -> Folder:
    """Search a folder, or take one annotation file as it is. Kinds in the order of `USUAL`, then by depth and name."""
    if root.is_file():
        return Folder(root.parent, (root,), None, {})
    files: list[tuple[int, Path]] = []
    images: dict[str, str] = {}
    for here, folders, names in os.walk(root, followlinks=True):
        folder = Path(here)
        depth = len(folder.relative_to(root).parts)
        files += [(depth, folder / name) for name in names if not name.endswith((".jpg", ".png"))]
        for name in set(folders) & set(IMAGES):
            with os.scandir(folder / name) as entries:
                if any(entry.name.endswith(".jpg") for entry in entries):
                    images.setdefault(name.removesuffix("2015"), (folder / name).relative_to(root).as_posix())
        within = depth < DEEPEST
        folders[:] = sorted(n for n in folders if within and n not in IMAGES and not n.startswith("."))
    files.sort()
    found = [path for pattern in USUAL for _, path in files if fnmatch(path.name, pattern)]
    labels = next((path for _, path in files if path.name == LABELS), None)
    beside = tuple(path for _, path in files if fnmatch(path.name, BESIDE))
    return Folder(root, tuple(dict.fromkeys(found)), labels, images, beside)


def fingerprint(root: Path) -> str:
    """Digest of what a dataset folder says: annotation files by content, images by name and size."""
    found = look(root)
    files = [*found.annotations, *found.beside, *([found.labels] if found.labels else [])]
    contents = [[path.relative_to(found.root).as_posix(), digest.of_file(path)] for path in sorted(files)]
    listings = [
        [split, folder, digest.of_value(sorted(found.listing(split).items()))]
        for split, folder in sorted(found.images.items())
    ]
    return digest.of_value([contents, listings])
