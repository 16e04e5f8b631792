"""Names of files as tables and systems of all kinds write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.outside.parsing import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JOURNAL, DRAWN = ".done.jsonl", "drawn"
"""What a folder of predictions has (`pipeline/predict/folder.py`): what is done, and the pictures that were drawn."""
FRAMES = "frames"
"""What such a folder has where videos were predicted (`pipeline/predict/video.py`)."""
PREDICTED = (DRAWN, FRAMES, "predictions.json", "predictions.parquet", "index.html")
"""What else it has that is no file of the user's."""


def base_name(value: Any) -> Any:
    """A file's name without folders; anything else as it is."""
    return value.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(value, str) else value


def places(names: Iterable[Any], known: Sequence[Any], *, table: str) -> NDArray[np.int64]:
    """Where each name is in a list of known names; -1 where it is not. Names that are no text are nowhere.

    A whole name decides. Folders may be written otherwise, or left out, where it stays clear what is meant: the one known
    name whose last parts agree best, and that no other name here stands for as well.

    Arguments:
        table: what the names are from, for errors.

    Raises:
        DataError: a name fits several known ones equally well, or two names in different folders fit the same one.
    """
    import numpy as np

    whole: dict[str, int] = {}
    same_last: dict[str, list[str]] = {}
    for place, name in enumerate(known):
        if isinstance(name, str) and (plain := _plain(name)) not in whole:
            whole[plain] = place
            same_last.setdefault(base_name(plain), []).append(plain)
    found: list[int] = []
    stands_for: dict[int, str] = {}
    for name in names:
        plain = _plain(name) if isinstance(name, str) else ""
        fits = [plain] if plain in whole else _nearest(plain, same_last.get(base_name(plain), []))
        if len(fits) > 1:
            raise DataError(
                f"{table}: {shown(name)} may be {shown(fits[0])} or {shown(fits[1])}, so the name without folders says too "
                "little. Write the names as the annotations do"
            )
        place = whole[fits[0]] if fits else -1
        other = stands_for.setdefault(place, plain)
        if fits and not _one_ends_in_the_other(plain, other):
            raise DataError(
                f"{table}: {shown(other)} and {shown(plain)} would both be {shown(fits[0])}, which alone is annotated under "
                "that last name. Write the names as the annotations do"
            )
        found.append(place)
    return np.array(found, dtype=np.int64)


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _nearest(name: str, candidates: Sequence[str]) -> list[str]:
    """Those candidates that share most last parts with a name."""
    agree = [_last_parts_in_common(name, candidate) for candidate in candidates]
    return [candidate for candidate, count in zip(candidates, agree, strict=True) if count == max(agree)]


def _last_parts_in_common(one: str, other: str) -> int:
    parts = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], parts))


def _one_ends_in_the_other(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return f"/{longer}".endswith(f"/{shorter}")
