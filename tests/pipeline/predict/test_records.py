"""Records of a picture by hand: a rider and a horse, a dog that nobody walks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.metrics.formats import table as evaluated
from pipeline.predict import records, scoring
from pipeline.predict.records import Picture
from pipeline.vocabulary.vocabulary import Object, Verb, Vocabulary, hoi

VERBS = (Verb("ride", "riding"), Verb("walk", "walking"), Verb("no_interaction", "no_interaction", idle=True))
OBJECTS = (Object("person"), Object("horse"), Object("dog"))
CLASSES = ((3, 0, 1), (5, 2, 1), (8, 1, 2), (9, 2, 2))  # ride horse, no horse, walk dog, no dog
VOCABULARY = Vocabulary(
    "stable", VERBS, OBJECTS, tuple(hoi(h, verb, thing, VERBS[verb], OBJECTS[thing]) for h, verb, thing in CLASSES)
)
FOUND = {
    "object_id": np.array([2, 1]),
    "person_score": np.array([0.75, 0.5]),
    "object_score": np.array([0.25, 1.0]),
} | {name: np.array([i, i + 0.5], dtype=np.float32) for i, name in enumerate(scoring.BOXES)}
SCORES = np.array([[0.99, 0.25, 0.5], [0.75, 0.98, 0.125]])  # ride dog and walk horse are no classes
HORSE, DOG = [("ride", 3, 0.75), ("no_interaction", 5, 0.125)], [("no_interaction", 9, 0.5), ("walk", 8, 0.25)]


def picture(**chosen: Any) -> Picture:
    return records.picture("a.jpg", (640, 480), FOUND, SCORES, VOCABULARY, persons=1, things=2, **chosen)


def verbs(found: Picture) -> list[tuple[str, list[tuple[str, int, float]]]]:
    return [(pair.label, [(v.verb, v.hoi_id, v.score) for v in pair.verbs]) for pair in found.pairs]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, [("horse", HORSE), ("dog", DOG)]),
        ({"top": 3}, [("horse", HORSE[:1]), ("dog", DOG)]),
        ({"top": 0}, []),
        ({"threshold": 0.5}, [("horse", HORSE[:1]), ("dog", DOG[:1])]),
        ({"threshold": 0.8}, []),
    ],
)
def test_pairs_and_verbs_are_sorted_and_only_classes_count(chosen: dict[str, Any], expected: object) -> None:
    assert verbs(picture(**chosen)) == expected


@pytest.mark.parametrize("chosen", [{"threshold": 1.1}, {"threshold": -0.1}, {"threshold": float("nan")}, {"top": -1}])
def test_what_would_leave_all_out_or_cut_the_wrong_end_is_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"threshold|top"):
        picture(**chosen)


def test_boxes_scores_and_idle_verbs_are_those_of_the_pair() -> None:
    best = picture().pairs[0]
    assert best.person == (0.5, 1.5, 2.5, 3.5) and best.object == (4.5, 5.5, 6.5, 7.5)
    assert (best.person_score, best.object_score, best.score) == (0.5, 1.0, 0.75)
    assert [v.idle for v in best.verbs] == [False, True]


def test_equal_scores_stay_in_the_order_of_pairs_and_verbs() -> None:
    one = records.picture("a", (1, 1), FOUND, np.ones((2, 3)), VOCABULARY, persons=1, things=2, top=3)
    assert verbs(one) == [("dog", [("walk", 8, 1.0), ("no_interaction", 9, 1.0)]), ("horse", [("ride", 3, 1.0)])]


@pytest.mark.parametrize(
    ("persons", "things", "note"),
    [
        (0, 4, "no person was found"),
        (1, 0, "one person was found and nothing to interact with"),
        (2, 0, "no interaction was kept"),
    ],
)
def test_an_empty_picture_says_why(persons: int, things: int, note: str) -> None:
    nothing = {name: values[:0] for name, values in FOUND.items()}
    one = records.picture("a", (1, 1), nothing, SCORES[:0], VOCABULARY, persons=persons, things=things)
    assert one.pairs == () and one.note == note


def test_the_json_can_be_written_and_holds_every_field() -> None:
    read = json.loads(json.dumps(picture(top=1).as_json()))
    assert (read["name"], read["width"], read["height"], read["note"]) == ("a.jpg", 640, 480, "")
    assert read["pairs"][0]["object"] == [4.5, 5.5, 6.5, 7.5] and read["pairs"][0]["verbs"][0]["hoi_id"] == 3


@pytest.mark.parametrize("kept", [4, 0])
def test_the_evaluation_reads_the_table_back(tmp_path: Path, kept: int) -> None:
    evaluated.write(tmp_path / "p.parquet", records.table([picture(top=kept)]))
    read = evaluated.read(tmp_path / "p.parquet")
    assert read["hoi_id"].tolist() == [3, 5, 9, 8][:kept] and read["score"].tolist() == [0.75, 0.125, 0.5, 0.25][:kept]
    assert read["file_name"].tolist() == ["a.jpg"] * kept and read["ox2"].tolist() == [6.5, 6.5, 6.0, 6.0][:kept]


def test_the_table_has_the_rows_of_the_stage_predictions() -> None:
    stage = scoring.predictions(
        FOUND | {"image_id": np.array([7, 7])}, {"score": SCORES}, VOCABULARY.lookup(VOCABULARY.ids)[FOUND["object_id"]]
    )
    ours = records.table([picture()])
    columns = ["hoi_id", "score", *scoring.BOXES]
    expected = stage.sort_values("hoi_id")[columns].to_numpy()
    np.testing.assert_allclose(ours.sort_values("hoi_id")[columns].to_numpy(), expected, atol=1e-6)
