"""Names of files, as different tables and systems write them."""

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
"""Names in a folder of predictions (`pipeline/predict/folder.py`): the journal, and the folder of drawn pictures."""
FRAMES = "frames"
"""The folder of a video's frames in such a folder (`pipeline/predict/video.py`)."""
PREDICTED = (DRAWN, FRAMES, "predictions.json", "predictions.parquet", "index.html")
"""All names there that are no files of the user's."""


def base_name(value: Any) -> Any:
    """The name of a file without its folders; any other value unchanged."""
    return value.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(value, str) else value


def places(names: Iterable[Any], known: Sequence[Any], *, table: str) -> NDArray[np.int64]:
    """The place of each name in a list of known names; -1 for a name that is not there or is no text.

    An equal name decides. Folders may differ or be left out where the name stays unique: it means the known name whose last
    parts agree best, if no other name here means the same one.

    Arguments:
        table: the table of the names, for errors.

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
    """The candidates that share the most last parts with a name."""
    agree = [_last_parts_in_common(name, candidate) for candidate in candidates]
    return [candidate for candidate, count in zip(candidates, agree, strict=True) if count == max(agree)]


def _last_parts_in_common(one: str, other: str) -> int:
    parts = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], parts))


def _one_ends_in_the_other(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return f"/{longer}".endswith(f"/{shorter}")
