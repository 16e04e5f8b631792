"""The class table: shape, numbering, wording, look-ups, and agreement with the reference tables."""

import csv
import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.datasets.hico.settings import RARE
from pipeline.datasets.hico.vocabulary import COCO_IDS, HICO, TEST_COUNTS, TRAIN_COUNTS, demand
from pipeline.errors import DataError

REPOSITORY = Path(__file__).parents[4]
DATA = REPOSITORY.parent / "shared" / "data" / "hico"
needs_reference = pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference tables at {DATA}")


def test_sizes_and_order():
    classes = HICO.classes
    assert [hoi.hoi_id for hoi in classes] == list(range(600))
    assert len(HICO.verb_names) == 117
    assert len(HICO.object_names) == 80
    assert list(HICO.verb_names) == sorted(HICO.verb_names)
    assert HICO.verb_names[57] == "no_interaction"
    assert HICO.object_names[0] == "person"
    assert HICO.object_names[79] == "toothbrush"
    assert len({hoi.name for hoi in classes}) == 600
    assert len({hoi.phrase for hoi in classes}) == 600


def test_each_object_has_one_no_interaction_class_and_contiguous_ids():
    idle = [hoi.object_id for hoi in HICO.classes if hoi.idle]
    assert sorted(idle) == list(range(80))
    blocks = [hoi.object_id for hoi in HICO.classes]
    assert sum(a != b for a, b in itertools.pairwise(blocks)) == 79


def test_counts_are_the_published_totals():
    assert sum(TRAIN_COUNTS) == 117_871
    assert sum(TEST_COUNTS) == 33_405
    assert sum(TRAIN_COUNTS[hoi.hoi_id] for hoi in HICO.classes if hoi.idle) == 15_421
    assert min(TEST_COUNTS) == 2


def test_coco_ids_are_the_91_ids_in_ascending_order():
    ids = COCO_IDS
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
    assert HICO.find(name).phrase == phrase


def test_article_is_right_for_every_object():
    takes_an = {hoi.object for hoi in HICO.classes if " an " in hoi.phrase}
    assert takes_an == {"airplane", "apple", "elephant", "orange", "oven", "umbrella"}


def test_lookups_agree_with_the_classes():
    for hoi in HICO.classes:
        assert HICO.verb_names[hoi.verb_id] == hoi.verb
        assert HICO.object_names[hoi.object_id] == hoi.object
        assert HICO.of(hoi.verb_id, hoi.object_id) == hoi.hoi_id
        assert HICO.find(hoi.name) is hoi
    found = [HICO.of(verb, obj) for verb in range(117) for obj in range(80)]
    assert sum(hoi is not None for hoi in found) == 600


@pytest.mark.parametrize("name", ["ride_horse", "Ride Horse", " ride  horse ", "ride-horse"])
def test_find_accepts_spellings(name):
    assert HICO.find(name) is HICO.find("ride horse")


def test_find_accepts_underscores_inside_names():
    assert HICO.find("sit_at_dining_table") is HICO.find("sit at dining table")


@pytest.mark.parametrize(
    ("name", "hint"), [("ride hrose", "ride horse"), ("juggle zebra", "zebra"), ("qqq", "none"), ("", "none")]
)
def test_find_names_the_nearest(name, hint):
    with pytest.raises(ValueError, match="no class of HICO-DET is called") as error:
        HICO.find(name)
    assert hint in str(error.value).split("nearest:")[1]


def test_classes_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        HICO.classes[0].verb = "eat"


def test_import_is_light():
    code = (
        "import sys, pipeline.datasets.hico.settings;"
        "assert not {'numpy', 'pandas', 'torch', 'pyarrow'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


@needs_reference
def test_table_equals_the_reference_table():
    with (DATA / "hico_hoi_classes.csv").open(newline="") as file:
        reference = list(csv.DictReader(file))
    same = {
        "verb_id": "verb_id",
        "verb": "verb",
        "verb_ing": "verb_ing",
        "object_id": "object_coco80",
        "object": "object",
    }
    assert len(reference) == 600
    for ours, theirs in zip(HICO.classes, reference, strict=True):
        assert {key: str(getattr(ours, key)) for key in same} == {key: theirs[column] for key, column in same.items()}
        assert str(COCO_IDS[ours.object_id]) == theirs["object_coco91"]
        assert str(TRAIN_COUNTS[ours.hoi_id]) == theirs["train_count_official"]
        assert str(TEST_COUNTS[ours.hoi_id]) == theirs["test_count"]
        assert (ours.hoi_id in RARE) == (theirs["is_rare"] == "True")


@needs_reference
def test_valid_pairs_equal_the_reference_matrix():
    np = pytest.importorskip("numpy")
    matrix = np.load(DATA / "corre_hico.npy")
    ours = np.zeros_like(matrix)
    for hoi in HICO.classes:
        ours[hoi.verb_id, hoi.object_id] = 1
    assert (ours == matrix).all()


@needs_reference
def test_coco_ids_equal_the_reference_map():
    alphabetical = json.loads((DATA / "coco91tohico80.json").read_text())
    ranks = {name: rank for rank, name in enumerate(sorted(HICO.object_names))}
    for name, coco_id in zip(HICO.object_names, COCO_IDS, strict=True):
        assert alphabetical[str(coco_id)] == ranks[name]


@needs_reference
def test_counts_equal_the_annotations():
    pd = pytest.importorskip("pandas")
    for split, lost, counts in (("train", 217, TRAIN_COUNTS), ("test", 0, TEST_COUNTS)):
        pairs = pd.read_parquet(DATA / f"hico_det_{split}2015_pairs.parquet", columns=["hoi_id"])
        found = pairs["hoi_id"].value_counts()
        missing = 0
        for hoi in HICO.classes:
            gap = counts[hoi.hoi_id] - int(found.get(hoi.hoi_id, 0))
            # The public train annotations lack some no_interaction pairs; everything else is complete.
            assert gap == 0 or (gap > 0 and hoi.idle)
            missing += gap
        assert missing == lost


def test_formats_refuse_other_vocabularies_by_name():
    demand(HICO, "detections.mat")
    demand(HICO.subset([3, 10]), "detections.mat")
    demand(None, "detections.mat")
    other = dataclasses.replace(HICO, name="my yard", classes=(dataclasses.replace(HICO.classes[0], hoi_id=1),))
    with pytest.raises(
        DataError, match=r"detections\.mat: .* HICO-DET's classes alone, and these are those of my yard"
    ):
        demand(other, "detections.mat")
