"""Labels of detectors and objects of vocabularies, matched by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.boxes.labels import key, serving
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.vocabulary.coco import COCO, SPELLINGS
from pipeline.vocabulary.vocabulary import Object

PERSON, BED, RIG = Object("person", 1), Object("bed", 65), Object("oil_rig")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Dining_Table", "diningtable"),
        ("a dining table", "dining-table"),
        ("an Airplane", "aeroplane"),
        ("The motorbike", "motorcycle"),
        ("TV monitor", "tv"),
        ("tvmonitor", "television"),
        ("hair dryer", "hair_drier"),
    ],
)
def test_names_of_one_object_share_a_key(one: str, other: str) -> None:
    assert key(one) == key(other)


def test_no_two_categories_share_a_key() -> None:
    assert len({key(name) for name in COCO}) == len(COCO) == 80
    assert {key(name) for name in SPELLINGS} <= {key(name) for name in COCO}


@given(st.permutations(list(COCO)))
def test_the_order_of_labels_does_not_matter(names: list[str]) -> None:
    found = serving(dict(enumerate(names)), HICO.objects)
    assert found.sum() == 80 and found.sum(axis=0).tolist() == [1] * 80
    assert [names[row] for row in found.argmax(axis=0)] == list(COCO)


def test_labels_have_gaps_and_others_serve_nothing() -> None:
    found = serving({1: "person", 5: "bed", 7: "unicorn"}, [PERSON, BED])
    np.testing.assert_array_equal(np.argwhere(found), [[1, 0], [5, 1]])
    assert found.shape == (8, 2)


def test_only_objects_that_are_wanted_have_to_be_known() -> None:
    assert serving({0: "person"}, [PERSON, BED, RIG], wanted=[0]).tolist() == [[True, False, False]]
    with pytest.raises(ValueError, match="its labels lack 1 of the 2 objects: 'oil_rig'; they are 'person'") as told:
        serving({0: "person"}, [PERSON, BED, RIG], wanted=[0, 2])
    assert "grounding-dino" in str(told.value) and "detections.source=parquet" in str(told.value)


def test_labels_of_another_language_and_without_names_are_told() -> None:
    german = {0: "Person", 1: "Bett"}
    with pytest.raises(ValueError, match="lack 1 of the 2 objects: 'bed'; they are 'Person', 'Bett'"):
        serving(german, [PERSON, BED])
    with pytest.raises(ValueError, match=r"lack 2 of the 2 .* write id2label of its config\.json"):
        serving({0: "Mensch", 1: "Bett"}, [PERSON, BED])
    with pytest.raises(ValueError, match=r"its labels have no names \(LABEL_0, LABEL_1, ...\)"):
        serving({0: "LABEL_0", 1: "LABEL_1"}, [PERSON, BED])


def test_a_long_list_is_cut() -> None:
    with pytest.raises(ValueError, match=r"'person', 'bicycle', .* and 72 more; they are 'x'"):
        serving({0: "x"}, HICO.objects)
