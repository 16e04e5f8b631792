"""What a model says about one picture, as typed values: who does what with which object, where, and how surely.

Boxes are x1, y1, x2, y2 in pixels of the picture as a person sees it, continuous coordinates. Scores are those of the
stage `predictions`: a verb's probability times the detection prior to the power of `evaluation.tau`. So they rank, and are no
probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pipeline.datasets.dataset import BOXES
from pipeline.predict.scoring import COLUMNS
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Box: TypeAlias = tuple[float, float, float, float]
"""A box as x1, y1, x2, y2 in pixels."""


@dataclass(frozen=True, slots=True)
class VerbScore:
    """One interaction of a pair: the verb in base form ("sit_on"), the id of its class with the pair's object, its score."""

    verb: str
    hoi_id: int
    score: float
    idle: bool = False
    """Whether the verb is idle (`Verb.idle`): "no_interaction"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A person and an object with the verbs between them."""

    person: Box
    person_score: float
    """The detector's score of the person, 0 to 1."""
    object: Box
    object_score: float
    """The detector's score of the object, 0 to 1."""
    label: str
    """The object's name as the vocabulary spells it: "dining_table"."""
    verbs: tuple[VerbScore, ...]
    """The verbs, at least one, the best first."""

    @property
    def score(self) -> float:
        """The score of the best verb."""
        return self.verbs[0].score


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture and its pairs, the best first."""

    name: str
    """The name of the file, or the caller's name of the picture."""
    width: int
    height: int
    persons: int
    """The number of boxes of persons."""
    things: int
    """The number of boxes of other objects."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many boxes did not count, by the label that the model does not know, or by another fault."""
    pairs: tuple[Pair, ...]

    @property
    def note(self) -> str:
        """Why there are no pairs, in words; "" where there are some."""
        if self.pairs:
            return ""
        if not self.persons:
            return "no person was found"
        if self.persons + self.things == 1:
            return "one person was found and nothing to interact with"
        return "no interaction was kept"

    def as_json(self) -> dict[str, Any]:
        """The picture as plain JSON: every field under its name, and the note."""
        return asdict(self) | {"note": self.note}


def of_json(value: Mapping[str, Any]) -> Picture:
    """The picture that `Picture.as_json` made plain; KeyError, TypeError or ValueError if it is none."""
    pairs = tuple(
        Pair(
            person=_corners(pair["person"]),
            person_score=float(pair["person_score"]),
            object=_corners(pair["object"]),
            object_score=float(pair["object_score"]),
            label=str(pair["label"]),
            verbs=tuple(VerbScore(**said) for said in pair["verbs"]),
        )
        for pair in value["pairs"]
    )
    plain = {key: value[key] for key in ("name", "width", "height", "persons", "things", "left_out")}
    return Picture(**plain, pairs=pairs)


def picture(
    name: str,
    size: tuple[int, int],
    found: Mapping[str, np.ndarray],
    scores: np.ndarray,
    vocabulary: Vocabulary,
    *,
    persons: int,
    things: int,
    left_out: Mapping[str, int] | None = None,
    classes: Sequence[int] | None = None,
    top: int | None = None,
    threshold: float = 0.0,
) -> Picture:
    """The record of a picture from the arrays of its P pairs.

    Args:
        size: width and height in pixels.
        found: `object_id`, `person_score`, `object_score` and the eight columns `BOXES`, (P,) each.
        scores: (P, V) score of every verb with the pair's object; verbs that form no class with it are ignored.
        persons, things: how many boxes the pairs were made from; left_out: how many others there were, and why.
        classes: ids of the classes that are shown; all if left out.
        top: how many interactions of the whole picture are kept, the best ones; None keeps all.
        threshold: the lowest score to keep, from 0 to 1.

    Raises:
        ValueError: no score could reach the threshold, or `top` is no number of interactions.
    """
    import numpy as np

    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold}: scores lie between 0 and 1")
    if top is not None and top < 0:
        raise ValueError(f"top {top}: a number of interactions, or None for all")

    hoi_of = vocabulary.lookup(vocabulary.ids if classes is None else classes)[found["object_id"]]
    boxes = np.stack([found[column] for column in BOXES], axis=1)
    pairs = tuple(
        Pair(
            person=_box(boxes[p, :4]),
            person_score=float(found["person_score"][p]),
            object=_box(boxes[p, 4:]),
            object_score=float(found["object_score"][p]),
            label=vocabulary.objects[int(found["object_id"][p])].name,
            verbs=tuple(verbs),
        )
        for p, verbs in _kept(hoi_of, scores, vocabulary, top=top, threshold=threshold).items()
    )
    return Picture(
        name=name,
        width=size[0],
        height=size[1],
        persons=persons,
        things=things,
        left_out=dict(left_out or {}),
        pairs=pairs,
    )


def _kept(
    hoi_of: np.ndarray, scores: np.ndarray, vocabulary: Vocabulary, *, top: int | None, threshold: float
) -> dict[int, list[VerbScore]]:
    """{pair: its verbs that are kept, the best first}, in the order of the pairs' best verbs.

    Args:
        hoi_of: (P, V), the class of every verb with the pair's object; -1 where they form none.
    """
    import numpy as np

    pair, verb = np.nonzero((hoi_of >= 0) & (scores >= threshold))
    # Stable, so that equal scores stay in the order of pairs and verbs, and every run says the same.
    order = np.argsort(-scores[pair, verb], kind="stable")[:top]
    kept: dict[int, list[VerbScore]] = {}
    for p, v in zip(pair[order].tolist(), verb[order].tolist(), strict=True):
        said = vocabulary.verbs[v]
        kept.setdefault(p, []).append(VerbScore(said.name, int(hoi_of[p, v]), float(scores[p, v]), said.idle))
    return kept


def table(pictures: Sequence[Picture]) -> pd.DataFrame:
    """The rows as the evaluation reads them (`pipeline/metrics/formats/table.py`), pictures under `file_name`.

    The evaluation ignores folders in `file_name`, so pictures of one name in two folders are the same for it.
    """
    import numpy as np
    import pandas as pd

    rows = [(one.name, pair, said) for one in pictures for pair in one.pairs for said in pair.verbs]
    boxes = np.array([[*pair.person, *pair.object] for _, pair, _ in rows], dtype=np.float32).reshape(-1, len(BOXES))
    columns: dict[str, Any] = {
        "file_name": pd.Series([name for name, _, _ in rows], dtype="str"),
        "hoi_id": np.array([said.hoi_id for *_, said in rows], dtype=np.int64),
        "score": np.array([said.score for *_, said in rows], dtype=np.float32),
    }
    columns |= {name: boxes[:, i] for i, name in enumerate(BOXES)}
    return pd.DataFrame(columns)[["file_name", *COLUMNS[1:]]]


def _box(values: np.ndarray) -> Box:
    return _corners(values.tolist())


def _corners(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = values
    return x1, y1, x2, y2
