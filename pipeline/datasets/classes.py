"""A dataset's classes as stages read them: from the artifact `vocabulary`, with counts from `annotations/classes.parquet`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.datasets.dataset import RARE_BELOW
from pipeline.store.artifact import Artifact
from pipeline.vocabulary import file
from pipeline.vocabulary import settings as zero_shot
from pipeline.vocabulary.settings import Settings
from pipeline.vocabulary.vocabulary import PERSON, Object, Verb, Vocabulary, hoi

if TYPE_CHECKING:
    import pandas as pd

EXTENDED = "extended.json"
"""File of the vocabulary with the classes of `data.classes`; an artifact of stage `vocabulary` has it if there are any."""

NAMED = ("verb_id", "object_id", "verb", "verb_ing", "object", "phrase")
"""Columns of a `classes.parquet` that tell what its classes are called."""


def vocabulary(artifact: Artifact) -> Vocabulary:
    """All classes of an artifact of stage `vocabulary`: the dataset's and the added ones."""
    return file.read(artifact.path(EXTENDED)) if artifact.names(EXTENDED) else of_dataset(artifact)


def of_dataset(artifact: Artifact) -> Vocabulary:
    """The dataset's classes alone, which annotations are of and a training knows."""
    return file.read(artifact.path("vocabulary.json"))


def added(artifact: Artifact) -> frozenset[int]:
    """The ids of the classes that were added to the dataset's (`data.classes`)."""
    if not artifact.names(EXTENDED):
        return frozenset()
    return frozenset(vocabulary(artifact).ids) - frozenset(of_dataset(artifact).ids)


def objects(artifact: Artifact) -> tuple[Object, ...]:
    """The objects alone of an artifact of stage `vocabulary`; position = object id."""
    return file.read_objects(artifact.path("objects.json"))[0]


def objects_of_classes(artifact: Artifact) -> tuple[int, ...]:
    """The ids, rising, of the objects that some class of an artifact of stage `vocabulary` has."""
    return file.read_objects(artifact.path("objects.json"))[1]


def settings(artifact: Artifact) -> Settings:
    """The zero-shot settings of an artifact of stage `vocabulary`, the dataset's and the user's; all hide added classes."""
    more = added(artifact)
    return {
        k: v | more
        for name in ("settings", "own_settings")
        for k, v in zero_shot.read(artifact.path(f"{name}.json")).items()
    }


def frame(
    vocabulary: Vocabulary,
    *,
    train: pd.Series,
    unseen: Mapping[str, frozenset[int]],
    rare: frozenset[int] | None = None,
) -> pd.DataFrame:
    """The `classes.parquet` of a dataset.

    Args:
        train: how many training pairs each class has, by hoi_id.
        unseen: the unseen classes of each setting.
        rare: the rare classes; if None, they follow from `train`.
    """
    import pandas as pd

    rows = vocabulary.classes
    return pd.DataFrame(
        {
            "hoi_id": [r.hoi_id for r in rows],
            "verb_id": [r.verb_id for r in rows],
            "object_id": [r.object_id for r in rows],
            "verb": [r.verb for r in rows],
            "verb_ing": [r.verb_ing for r in rows],
            "object": [r.object for r in rows],
            "phrase": [r.phrase for r in rows],
            "name": [r.name for r in rows],
            "train_count": [int(train.get(r.hoi_id, 0)) for r in rows],
            "rare": [int(train.get(r.hoi_id, 0)) < RARE_BELOW if rare is None else r.hoi_id in rare for r in rows],
        }
        | {setting: [r.hoi_id in hidden for r in rows] for setting, hidden in unseen.items()}
    )


def of_frame(table: pd.DataFrame) -> Vocabulary:
    """The vocabulary of a `classes.parquet` alone; a verb or an object that no class has is named by its number."""
    verbs = {
        int(r["verb_id"]): Verb(r["verb"], r["verb_ing"], r["verb"] == file.NO_INTERACTION) for r in _records(table)
    }
    objects = {int(r["object_id"]): Object(r["object"]) for r in _records(table)}
    found = []
    for row in _records(table.sort_values("hoi_id")):
        hoi_id, verb_id, object_id = (int(row[key]) for key in ("hoi_id", "verb_id", "object_id"))
        found.append(hoi(hoi_id, verb_id, object_id, verbs[verb_id], objects[object_id], str(row["phrase"])))
    objects.setdefault(PERSON, Object("person"))
    return Vocabulary(
        "the annotated classes",
        tuple(verbs.get(i, Verb(f"verb {i}", f"verb {i}")) for i in range(max(verbs) + 1)),
        tuple(objects.get(i, Object(f"object {i}")) for i in range(max(objects) + 1)),
        tuple(found),
        persons=(objects[PERSON].name,),
    )


def _records(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return table[["hoi_id", *NAMED]].to_dict("records")
