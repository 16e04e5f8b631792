"""The image files of a HICO-DET folder against its annotation: missing, unreadable, or of another size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.datasets.findings import Finding, ImageCheck
from pipeline.datasets.folder import Folder, link_to_nowhere
from pipeline.datasets.hico.tables import Tables
from pipeline.datasets.image_files import image_size
from pipeline.errors import DataError

READERS = 8


def look_over(where: Folder, parts: dict[str, Tables], *, decode: bool) -> tuple[ImageCheck, list[Finding]]:
    """Open the file of every annotated image and read its header, or decode all of it."""
    missing: list[str] = []
    work: list[tuple[Path, tuple[int, int]]] = []
    extra = 0
    for split, tables in parts.items():
        there = where.listing(split)
        folder = where.root / where.images.get(split, f"images/{split}2015")
        extra += len(set(there) - set(tables.images["file_name"]))
        for name, width, height in tables.images[["file_name", "width", "height"]].itertuples(index=False):
            if name in there:
                work.append((folder / name, (int(width), int(height))))
            else:
                nowhere = link_to_nowhere(folder / name)
                missing.append(f"{(folder / name).relative_to(where.root)}{f' ({nowhere})' if nowhere else ''}")
    with ThreadPoolExecutor(READERS) as pool:
        faults = [fault for fault in pool.map(lambda item: _fault(*item, decode=decode), work) if fault]
    unreadable = [what for kind, what in faults if kind == "unreadable"]
    sizes = [what for kind, what in faults if kind == "size"]
    found = ImageCheck(len(work) + len(missing), len(work), decode, len(unreadable), len(sizes), extra)
    return found, _findings(found, missing, unreadable, sizes)


def _fault(path: Path, size: tuple[int, int], *, decode: bool) -> tuple[str, str] | None:
    try:
        actual = image_size(path, decode=decode)
    except DataError as error:
        return "unreadable", str(error)
    if 0 not in size and actual != size:
        return "size", f"{path.name}: the file is {actual[0]} x {actual[1]}, the annotation says {size[0]} x {size[1]}"
    return None


def _findings(found: ImageCheck, missing: list[str], unreadable: list[str], sizes: list[str]) -> list[Finding]:
    rows = (
        ("fault", missing, "{n:,} of {all:,} image files are missing",
         "detections, training and evaluation of these images; data.faults = skip goes on without them"),
        ("fault", unreadable, "{n:,} image files cannot be read",
         "detections and image embeddings stop at them, unless images.unreadable = skip"),
        ("fault", sizes, "{n:,} image files have another size than the annotation says",
         "their boxes do not lie where they should: these are not the dataset's images, or they were resized or rotated"),
        ("note", [""] * found.not_annotated, "{n:,} image files are not annotated", "nothing: they are not read"),
    )  # fmt: skip
    return [
        Finding(
            "fault" if level == "fault" else "note",
            what.format(n=len(names), all=found.expected),
            affects=affects,
            examples=tuple(filter(None, names[:5])),
            count=len(names),
        )
        for level, names, what, affects in rows
        if names
    ]
