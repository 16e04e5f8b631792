"""The Parquet files with the annotations of one split, in a folder or in an artifact of stage `annotations`.

    <split>-pairs.parquet, <split>-images.parquet, <split>-presence.parquet    tables of one split, as in the artifact
    pairs.parquet, images.parquet, presence.parquet                            one table for all splits, with a column `split`

`classes.parquet` is beside both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError
from pipeline.store.artifact import Artifact


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The Parquet files of one split; None for a file that is not there."""

    pairs: Path
    images: Path | None = None
    presence: Path | None = None
    classes: Path | None = None
    others: tuple[Path, ...] = ()
    """The lists of the images of other splits."""


def in_folder(folder: Path, split: str) -> Tables:
    """The tables of this split, or else those of all splits; DataError if the folder has no pairs of the split."""
    own, every = folder / f"{split}-pairs.parquet", folder / "pairs.parquet"
    if not own.exists() and not every.exists():
        there = ", ".join(sorted(path.name for path in folder.glob("*-pairs.parquet")))
        raise DataError(f"{folder}: has no {own.name} and no pairs.parquet" + (f", only {there}" if there else ""))
    prefix = f"{split}-" if own.exists() else ""
    images = folder / f"{prefix}images.parquet"
    return Tables(
        pairs=own if prefix else every,
        images=_if_there(images),
        presence=_if_there(folder / f"{prefix}presence.parquet"),
        classes=_if_there(folder / "classes.parquet"),
        others=tuple(path for path in sorted(folder.glob("*-images.parquet")) if path != images) if prefix else (),
    )


def in_artifact(artifact: Artifact, split: str, *, others: bool) -> Tables:
    """The tables of the split, wherever the artifact's store is; with `others`, also the lists of images of other splits."""
    images = f"{split}-images.parquet"
    rest = [name for name in artifact.names("*-images.parquet") if name != images] if others else []
    return Tables(
        pairs=artifact.path(f"{split}-pairs.parquet"),
        images=artifact.path(images),
        presence=artifact.path(f"{split}-presence.parquet"),
        classes=artifact.path("classes.parquet"),
        others=tuple(map(artifact.path, rest)),
    )


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None
