"""The class table: shape, numbering, wording, look-ups, and agreement with the reference tables."""

import csv
import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.datasets.hico import vocabulary

REPOSITORY = Path(__file__).parents[4]
HICO = REPOSITORY.parent / "shared" / "data" / "hico"
needs_reference = pytest.mark.skipif(not HICO.is_dir(), reason=f"no reference tables at {HICO}")


def test_sizes_and_order():
    classes = vocabulary.hoi_classes()
    assert [hoi.hoi_id for hoi in classes] == list(range(600))
    assert len(vocabulary.verbs()) == 117
    assert len(vocabulary.objects()) == 80
    assert list(vocabulary.verbs()) == sorted(vocabulary.verbs())
    assert vocabulary.verbs()[57] == vocabulary.NO_INTERACTION
    assert vocabulary.objects()[0] == "person"
    assert vocabulary.objects()[79] == "toothbrush"
    assert len({hoi.name for hoi in classes}) == 600
    assert len({hoi.phrase for hoi in classes}) == 600


def test_each_object_has_one_no_interaction_class_and_contiguous_ids():
    idle = [hoi.object_id for hoi in vocabulary.hoi_classes() if hoi.verb == vocabulary.NO_INTERACTION]
    assert sorted(idle) == list(range(80))
    blocks = [hoi.object_id for hoi in vocabulary.hoi_classes()]
    assert sum(a != b for a, b in itertools.pairwise(blocks)) == 79


def test_counts_are_the_published_totals():
    classes = vocabulary.hoi_classes()
    assert sum(hoi.train_count for hoi in classes) == 117_871
    assert sum(hoi.test_count for hoi in classes) == 33_405
    assert sum(hoi.train_count for hoi in classes if hoi.verb == vocabulary.NO_INTERACTION) == 15_421
    assert min(hoi.test_count for hoi in classes) == 2


def test_coco_ids_are_the_91_ids_in_ascending_order():
    ids = vocabulary.coco_ids()
    assert len(ids) == 80
    assert list(ids) == sorted(set(ids))
    assert (ids[0], ids[11], ids[17], ids[79]) == (1, 13, 19, 90)


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("ride horse", "a person riding a horse"),
        ("board airplane", "a person boarding an airplane"),
        ("hold umbrella", "a person holding an umbrella"),
        ("sit at dining table", "a person sitting at a dining table"),
        ("talk on cell phone", "a person talking on a cell phone"),
        ("no interaction elephant", "a person and an elephant"),
        ("no interaction hot dog", "a person and a hot dog"),
    ],
)
def test_phrase(name, phrase):
    assert vocabulary.find(name).phrase == phrase


def test_article_is_right_for_every_object():
    takes_an = {hoi.object for hoi in vocabulary.hoi_classes() if " an " in hoi.phrase}
    assert takes_an == {"airplane", "apple", "elephant", "orange", "oven", "umbrella"}


def test_lookups_agree_with_the_classes():
    assert sum(map(len, vocabulary.object_to_verbs())) == 600
    for hoi in vocabulary.hoi_classes():
        assert vocabulary.verbs()[hoi.verb_id] == hoi.verb
        assert vocabulary.objects()[hoi.object_id] == hoi.object
        assert vocabulary.coco_ids()[hoi.object_id] == hoi.coco_id
        assert hoi.verb_id in vocabulary.object_to_verbs()[hoi.object_id]
        assert vocabulary.hoi_of(hoi.verb_id, hoi.object_id) == hoi.hoi_id
        assert vocabulary.find(hoi.name) is hoi
    found = [vocabulary.hoi_of(verb, obj) for verb in range(117) for obj in range(80)]
    assert sum(hoi is not None for hoi in found) == 600


@pytest.mark.parametrize("name", ["ride_horse", "Ride Horse", " ride  horse ", "ride-horse"])
def test_find_accepts_spellings(name):
    assert vocabulary.find(name) is vocabulary.find("ride horse")


def test_find_accepts_underscores_inside_names():
    assert vocabulary.find("sit_at_dining_table") is vocabulary.find("sit at dining table")


@pytest.mark.parametrize(
    ("name", "hint"), [("ride hrose", "ride horse"), ("juggle zebra", "zebra"), ("qqq", "none"), ("", "none")]
)
def test_find_names_the_nearest(name, hint):
    with pytest.raises(ValueError, match="no HICO-DET class is called") as error:
        vocabulary.find(name)
    assert hint in str(error.value).split("nearest:")[1]


def test_classes_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        vocabulary.hoi_classes()[0].verb = "eat"


def test_import_is_light():
    code = (
        "import sys, pipeline.datasets.hico.splits as s; s.unseen('uv');"
        "assert not {'numpy', 'pandas', 'torch', 'pyarrow'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


@needs_reference
def test_table_equals_the_reference_table():
    with (HICO / "hico_hoi_classes.csv").open(newline="") as file:
        reference = list(csv.DictReader(file))
    same = {
        "verb_id": "verb_id",
        "verb": "verb",
        "verb_ing": "verb_ing",
        "object_id": "object_coco80",
        "coco_id": "object_coco91",
        "object": "object",
        "train_count": "train_count_official",
        "test_count": "test_count",
    }
    assert len(reference) == 600
    for ours, theirs in zip(vocabulary.hoi_classes(), reference, strict=True):
        assert {key: str(getattr(ours, key)) for key in same} == {key: theirs[column] for key, column in same.items()}
        assert ours.is_rare == (theirs["is_rare"] == "True")


@needs_reference
def test_valid_pairs_equal_the_reference_matrix():
    np = pytest.importorskip("numpy")
    matrix = np.load(HICO / "corre_hico.npy")
    ours = np.zeros_like(matrix)
    for hoi in vocabulary.hoi_classes():
        ours[hoi.verb_id, hoi.object_id] = 1
    assert (ours == matrix).all()


@needs_reference
def test_coco_ids_equal_the_reference_map():
    alphabetical = json.loads((HICO / "coco91tohico80.json").read_text())
    ranks = {name: rank for rank, name in enumerate(sorted(vocabulary.objects()))}
    for name, coco_id in zip(vocabulary.objects(), vocabulary.coco_ids(), strict=True):
        assert alphabetical[str(coco_id)] == ranks[name]


@needs_reference
def test_counts_equal_the_annotations():
    pd = pytest.importorskip("pandas")
    for split, lost in (("train", 217), ("test", 0)):
        pairs = pd.read_parquet(HICO / f"hico_det_{split}2015_pairs.parquet", columns=["hoi_id"])
        found = pairs["hoi_id"].value_counts()
        missing = 0
        for hoi in vocabulary.hoi_classes():
            gap = getattr(hoi, f"{split}_count") - int(found.get(hoi.hoi_id, 0))
            # The public train annotations lack some no_interaction pairs; everything else is complete.
            assert gap == 0 or (gap > 0 and hoi.verb == vocabulary.NO_INTERACTION)
            missing += gap
        assert missing == lost
