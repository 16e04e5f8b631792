"""Where things are under a folder of HICO-DET or V-COCO: annotation files by their usual names, image folders by theirs.

The names themselves are in `folder.py` of each data set. Light on purpose (no numpy, no pandas): the fingerprint of
`data.root` is taken whenever a run is planned. It covers the content of the annotation files, but only names and sizes of
the images: no image is read for it.

What computers leave beside data is never taken for data: hidden files, a Mac's `__MACOSX`, backups (`.bak`, `.part`, `~`),
pipes and devices. What cannot be looked at is passed over and reported. A copy, such as `instances_test2015 (1).json`, comes
after every file that has its usual name.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

from pipeline.outside import reading, walking
from pipeline.store import digest

DEEPEST = 4
"""How many levels below the folder are searched."""
UNSEARCHED = {"train2015", "test2015", "train2014", "val2014"}
"""Names of folders with nothing but images, HICO-DET's and COCO's; they are not searched."""
_COPY = re.compile(r"( ?\([0-9]+\)|[ _-]+(\(?copy\)?|kopie|copie)( ?\(?[0-9]+\)?)?)$|^copy of ", re.IGNORECASE)
"""What browsers and desktops add to the name of a copy."""


@dataclass(frozen=True)
class Folder:
    """What lies under `root`; image folders by split, relative to it."""

    root: Path
    annotations: tuple[Path, ...]
    labels: Path | None
    """The file with the labels of whole images."""
    images: dict[str, str]
    beside: tuple[Path, ...] = ()
    """Files that are read along with an annotation file."""
    candidates: Mapping[str, tuple[str, ...]] | None = None
    """The folders with pictures of a split that has several of its name, the likeliest first."""
    nowhere: tuple[Path, ...] = ()
    """Links whose target is not there and whose name is that of an annotation file, of the labels or of an image folder."""
    passed: Mapping[str, str] = field(default_factory=dict)
    """{path: why} of the folders and files that could not be looked at (`pipeline.outside.walking.skipped_line`)."""

    def listing(self, split: str) -> dict[str, int]:
        """{file name: bytes} of the image folder of a split; empty if there is none. Links to nowhere are no files."""
        return _listing(self.root / self.images[split]) if split in self.images else {}

    def with_images_of(self, names: Mapping[str, Iterable[str]]) -> Folder:
        """The same folder, with each split's images taken from where most of its annotated files are."""
        chosen = dict(self.images)
        for split, places in (self.candidates or {}).items():
            wanted = set(names.get(split, ()))
            chosen[split] = max(places, key=lambda place: len(wanted & _listing(self.root / place).keys()))
        return replace(self, images=chosen)


def _listing(folder: Path) -> dict[str, int]:
    """{file name: bytes} of the pictures in a folder; a folder that is gone, or that may not be read, has none."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _is_picture(entry.name):
                with contextlib.suppress(OSError):
                    if entry.is_file():
                        found[entry.name] = entry.stat().st_size
    return found


def look(
    root: Path,
    *,
    usual: Iterable[str],
    image_folders: Mapping[str, str],
    labels_name: str | None = None,
    beside_names: Iterable[str] = (),
) -> Folder:
    """Search a folder, or take one annotation file as it is. Kinds in the order of `usual`, then by depth and name.

    Args:
        usual: patterns of the names of annotation files.
        image_folders: the names of folders with images, and the key of each in `Folder.images`.
        labels_name: the name of the file with the labels of whole images, where the data set has one.
        beside_names: patterns of the names of files that are read along with an annotation file.
    """
    if root.is_file():
        return Folder(root.parent, (root,), None, {})
    files: list[tuple[int, Path]] = []
    pictures: dict[str, list[str]] = {}
    passed: dict[str, str] = {}
    for folder, folders, names in walking.walk(root, passed):
        depth = len(folder.relative_to(root).parts)
        files += [(depth, folder / name) for name in names]
        for name in set(folders) & set(image_folders):
            if _has_pictures(folder / name, passed):
                place = (folder / name).relative_to(root).as_posix()
                pictures.setdefault(image_folders[name], []).append(place)
        folders[:] = [name for name in folders if depth < DEEPEST and name not in UNSEARCHED]
    files.sort()
    named = annotation_files([path for _, path in files], usual)
    labels = [path for _, path in files if path.name == labels_name]
    linked = [path for _, path in files if path.name in image_folders]
    beside = annotation_files([path for _, path in files], beside_names)
    places = {split: tuple(sorted(found, key=_likeliest)) for split, found in sorted(pictures.items())}
    there = {path for path, _ in walking.files([*named, *labels, *beside], passed)}
    return Folder(
        root,
        tuple(path for path in named if path in there),
        next((path for path in labels if path in there), None),
        {split: found[0] for split, found in places.items()},
        tuple(path for path in beside if path in there),
        {split: found for split, found in places.items() if len(found) > 1},
        tuple(path for path in (*named, *labels, *linked) if walking.leads_nowhere(path)),
        passed,
    )


def annotation_files(paths: Iterable[Path], patterns: Iterable[str]) -> list[Path]:
    """Those of the files whose names fit the patterns, in the patterns' order, within one in the files' own, copies last."""
    original = {path: _original(path.name) for path in paths}
    found = dict.fromkeys(path for pattern in patterns for path in original if fnmatch(original[path], pattern))
    return sorted(found, key=lambda path: is_copy(path.name))


def is_copy(name: str) -> bool:
    """Whether a file's name says that it is a copy made by a browser or a desktop."""
    return _original(name) != name.removesuffix(".gz")


def _original(name: str) -> str:
    """The name of the file that this one is a copy of, else its own name; without `.gz` where it is JSON."""
    stem, dot, kind = re.sub(r"\.json\.gz$", ".json", name).rpartition(".")
    return f"{_COPY.sub('', stem)}{dot}{kind}"


def link_to_nowhere(path: Path) -> str:
    """That a path is a link whose target is not there, in words; empty if it is not."""
    return f"a link to {path.readlink()}, which is not there" if walking.leads_nowhere(path) else ""


def _has_pictures(folder: Path, passed: dict[str, str]) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_is_picture(entry.name) for entry in entries)
    except OSError as error:
        passed[str(folder)] = reading.why(error)
        return False


def _is_picture(name: str) -> bool:
    return name.endswith(".jpg") and not name.startswith(".")


def _likeliest(place: str) -> tuple[bool, int, str]:
    """Sort key: folders in `images`, as published, come first, then the least deep."""
    parts = place.split("/")
    return parts[-2:-1] != ["images"], len(parts), place


def digest_of(found: Folder) -> str:
    """Digest of what was found in a folder: annotation files by content, images by name and size."""
    files = [*found.annotations, *found.beside, *([found.labels] if found.labels else [])]
    contents = [[path.relative_to(found.root).as_posix(), digest.of_file(path)] for path in sorted(files)]
    places = {split: (place,) for split, place in found.images.items()} | dict(found.candidates or {})
    listings = [
        [split, place, digest.of_value(sorted(_listing(found.root / place).items()))]
        for split in sorted(places)
        for place in places[split]
    ]
    return digest.of_value([contents, listings])
