"""The shards of an image stage: some images of a split, computed and stored together as one piece.

A shard is whole or absent, and what an earlier run left is checked before it is used. An image that cannot be read never
stops the others; the stage reports all such images when the rest is done.

    plan     cuts the splits into shards
    compute  is the stage's own, runs here and in helpers (pipeline/work/helpers.py), takes claims (pipeline/work/claims.py),
             and puts each shard into the scratch folder (pipeline/work/stream.py)
    gather   publishes the files, or says which images could not be read
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.errors import DataError, EzhoiError
from pipeline.outside.reading import why
from pipeline.work.work import Work

log = logging.getLogger("ezhoi.work")
FAULTS = ".faults.json"
SIZE = 200
"""How many images a shard has."""
NUMBERED = re.compile(r"(train|test)-[0-9]{3,}\.parquet")
LISTED = 20
"""How many unreadable images an error names; it counts the rest."""


@dataclass(frozen=True)
class Shard:
    """Some images of a split that are computed and stored together."""

    split: str
    number: int
    ids: tuple[int, ...]

    @property
    def name(self) -> str:
        """File name of the shard, e.g. train-003.parquet; `store.names.in_order` sorts it by its number."""
        return f"{self.split}-{self.number:03d}.parquet"


def _faults(shard: Shard) -> str:
    return shard.name + FAULTS


def plan(splits: Mapping[str, Sequence[int]], *, size: int | None = None) -> list[Shard]:
    """Cut every split into shards of `size` images, or of `SIZE`, in order."""
    size = size or SIZE
    return [
        Shard(split, number, tuple(ids[start : start + size]))
        for split, ids in splits.items()
        for number, start in enumerate(range(0, len(ids), size))
    ]


class Listed(Protocol):
    """Images, or what was made of them, that can be listed by their ids."""

    ids: list[int]


def plan_of(splits: Mapping[str, Listed]) -> list[Shard]:
    """The plan of the listed images of each split."""
    return plan({split: listed.ids for split, listed in splits.items()})


def finished(pieces: Iterable[str]) -> int:
    """How many pieces of unfinished work are shards, by their names."""
    return sum(NUMBERED.fullmatch(name) is not None for name in pieces)


def settled(work: Work, shards: Sequence[Shard]) -> list[Shard]:
    """The shards that need no more work: their file is here or published, or some of their images are unreadable."""
    elsewhere = work.exchange.names()
    return [
        shard
        for shard in shards
        if any(name in elsewhere or (work.scratch / name).exists() for name in (shard.name, _faults(shard)))
    ]


def offer(work: Work, name: str) -> None:
    """Publish a piece that is finished here: other machines skip it, and the publisher fetches it."""
    work.exchange.offer(work.scratch / name, content=work.pieces.digest_of(name))


def note_faults(work: Work, shard: Shard, faults: Mapping[int, str]) -> None:
    """Remember which images of a shard could not be read, and why."""
    with work.pieces.writing(_faults(shard)) as temporary:
        temporary.write_text(json.dumps(faults), encoding="utf-8")
    offer(work, _faults(shard))


def gather(work: Work, shards: Sequence[Shard]) -> dict[int, str]:
    """Move the shards' files to `work.out`; returns the images that were left out, and why.

    Raises DataError naming the images that could not be read, unless they are to be left out. The shards without such
    images are kept for the next run.
    """
    left_out: dict[int, str] = {}
    undone = []
    bring(work)
    for shard in shards:
        if work.pieces.digest_of(_faults(shard)) is not None:
            left_out |= _reasons(work.scratch / _faults(shard))
        if work.pieces.digest_of(shard.name) is None:
            undone.append(shard)
    if undone and not left_out:
        raise EzhoiError(
            f"stage {work.stage}: {len(undone)} of {len(shards)} shards were not computed. Run again: it goes on"
        )
    if undone:
        reasons = list(left_out.values())
        more = f"\n  and {len(reasons) - LISTED} more" if len(reasons) > LISTED else ""
        raise DataError(
            f"stage {work.stage}: {len(reasons)} images cannot be used:\n  "
            + "\n  ".join(reasons[:LISTED])
            + more
            + f"\n{len(shards) - len(undone)} of {len(shards)} shards are done and kept. Repair these files and run again"
            + _going_on_without_them(work)
        )
    for shard in shards:
        work.hand_over(shard.name)
    return left_out


def _going_on_without_them(work: Work) -> str:
    """The words about going on without the images; where that is done already, no image of the missing shards can be read."""
    if work.config.images.unreadable == "skip":
        return ": unreadable images are left out already, and of the shards that are missing not one could be read"
    return ", or go on without them: --set images.unreadable=skip"


def drop_damaged(work: Work) -> None:
    """Remove what an earlier run left, unless it is intact and what its name says."""
    for path in sorted(work.scratch.glob("*")):
        if path.name.endswith((".parquet", FAULTS)):
            if work.pieces.digest_of(path.name) is None:
                work.pieces.drop(path.name.removesuffix(FAULTS))  # whose faults are not known is computed again
            elif not _can_be_read(path):
                work.pieces.drop(path.name)
                work.pieces.drop(path.name.removesuffix(FAULTS))


def bring(work: Work) -> bool:
    """Fetch the pieces that lie elsewhere; False if one was damaged there, so that it has to be made again.

    A piece may match its digest and yet be no shard, because others write to the bucket too.
    """
    whole = True
    for name in sorted(work.exchange.names(fresh=True)):
        if not (work.scratch / name).exists():
            content = work.exchange.fetch(name, work.scratch / name)
            if content is None:
                whole = False
            else:
                work.pieces.adopt(name, content)
                if not _can_be_read(work.scratch / name):
                    work.pieces.drop(name)
                    work.exchange.withdraw(name)
                    whole = False
    return whole


def _can_be_read(piece: Path) -> bool:
    """Whether a piece is what its name says, a Parquet file or reasons by image; a warning says if it is not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if piece.name.endswith(FAULTS):
            if not all(isinstance(reason, str) for reason in _reasons(piece).values()):
                raise ValueError("a reason is no text")
        elif piece.name.endswith(".parquet"):
            pq.read_metadata(piece)
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        log.warning("%s: is whole, but cannot be read (%s); it is made again", piece, why(error))
        return False
    return True


def _reasons(piece: Path) -> dict[int, str]:
    """Why images of a shard could not be read, by their ids."""
    return {int(i): reason for i, reason in json.loads(piece.read_text(encoding="utf-8")).items()}


def forget_faults(work: Work) -> None:
    """Have shards with unreadable images computed again, since these may have been repaired; not if they are left out."""
    names = {path.name for path in work.scratch.iterdir()} | work.exchange.names(fresh=True)
    for name in names:
        if name.endswith(FAULTS) and name.removesuffix(FAULTS) not in names:
            work.pieces.drop(name)
            work.exchange.withdraw(name)
