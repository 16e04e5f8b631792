"""V-COCO from pair files and COCO's folders of images."""

import json

import pytest
from PIL import Image

from pipeline.config.data import Data
from pipeline.datasets import configured
from pipeline.datasets.vcoco import classes
from pipeline.datasets.vcoco.actions import ROLES
from pipeline.errors import DataError

HORSE, CUP = 18, 42
"""Objects as the pair files number them: 0 is the background."""
PERSON, THING = [1.5, 2, 30, 40], [10, 12, 50.25, 44]


def entry(number, *pairs, part="train2014"):
    """An image with (role, object) pairs; object 0 is a person who acts without one."""
    return {
        "file_name": f"COCO_{part}_{number:012d}.jpg",
        "boxes_h": [PERSON] * len(pairs),
        "boxes_o": [THING if thing else [] for _, thing in pairs],
        "actions": [ROLES.index(role) for role, _ in pairs],
        "objects": [thing for _, thing in pairs],
    }


SPLITS = {
    "train": [entry(1, ("ride instr", HORSE), ("sit instr", HORSE))],
    "val": [entry(2, ("drink instr", CUP)), entry(3)],
    "test": [entry(4, ("hold obj", CUP), ("look obj", 0), part="val2014")],
}


@pytest.fixture
def folder(tmp_path):
    """A folder with pair files and pictures, as changed by a function of the splits."""

    def made(change=lambda splits: None):
        splits = json.loads(json.dumps(SPLITS))
        change(splits)
        for split, entries in splits.items():
            content = {"annotations": entries, "classes": list(ROLES), "action_to_object": []}
            (tmp_path / f"instances_vcoco_{split}.json").write_text(json.dumps(content))
            for image in entries:
                place = tmp_path / "coco" / image["file_name"].split("_")[1]
                place.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (64, 48), "red").save(place / image["file_name"])
        return tmp_path

    return made


def dataset(root, **more):
    return configured.dataset(Data(source="vcoco", root=root, **more))


def test_tables_and_pictures(folder):
    found = dataset(folder())
    train, test = found.tables("train"), found.tables("test")
    assert train.images[["image_id", "n_pairs", "width", "height"]].to_numpy().tolist() == [
        [1, 2, 64, 48],
        [2, 1, 64, 48],
        [3, 0, 64, 48],
    ]
    assert train.images["file_name"][0] == "coco/train2014/COCO_train2014_000000000001.jpg"
    names = [found.vocabulary.hoi(hoi).name for hoi in train.pairs["hoi_id"]]
    assert names == ["ride horse", "sit on horse", "drink with cup"]
    assert train.pairs.iloc[0, 1:].tolist() == [
        found.vocabulary.find("ride horse").hoi_id,
        2,
        HORSE - 1,
        *PERSON,
        *THING,
    ]
    assert train.boxes.to_numpy().tolist() == [
        [1, 0, *PERSON], [1, HORSE - 1, *THING], [2, 0, *PERSON], [2, CUP - 1, *THING]
    ]  # fmt: skip
    assert len(test.pairs) == 1  # who looks at something out of sight makes no pair, but has a box
    assert test.boxes["object_id"].tolist() == [0, CUP - 1]
    assert found.open(4).size == (64, 48) and "instances_vcoco_val.json" in found.about()["source"]


def test_a_trainval_file_does_for_both(folder):
    root = folder(lambda splits: splits.update(trainval=splits.pop("train") + splits.pop("val")))
    assert dataset(root).tables("train").images["image_id"].tolist() == [1, 2, 3]


def test_the_annotation_may_lie_elsewhere(folder, tmp_path_factory):
    root, other = folder(), tmp_path_factory.mktemp("told")
    for path in root.glob("*.json"):
        path.rename(other / path.name)
    assert len(dataset(root, annotations=other).tables("train").pairs) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda s: s.pop("val"),
            "no pair file of the train split: instances_vcoco_trainval.json or instances_vcoco_train",
        ),
        (lambda s: s.pop("test"), "no pair file of the test split"),
        (lambda s: s["val"].append(s["train"][0]), "is in two splits, or twice in one"),
        (
            lambda s: s["train"].append(entry(9, ("ride instr", CUP))),
            "'ride cup' .* is none of V-COCO's 236 compositions",
        ),
        (lambda s: s["train"][0].update(boxes_h=[[5, 5, 1, 9], PERSON]), "is empty"),
    ],
)
def test_faults_are_named(folder, change, says):
    with pytest.raises(DataError, match=says):
        dataset(folder(change)).tables("train")


def test_missing_pictures(folder):
    root = folder()
    (root / "coco" / "train2014" / "COCO_train2014_000000000001.jpg").unlink()
    with pytest.raises(DataError, match="1 of 4 image files are missing or empty, for example coco/train2014/COCO"):
        dataset(root).tables("train")
    found = dataset(root, faults="skip")
    assert found.tables("train").images["image_id"].tolist() == [2, 3] and len(found.faults()) == 1
    with pytest.raises(DataError, match="needs the folder with COCO's train2014 and val2014"):
        dataset(None).tables("train")


def test_the_fingerprint_covers_pair_files_and_pictures(folder):
    root = folder()
    before = configured.folder_fingerprint(root)
    (root / "coco" / "val2014" / "COCO_val2014_000000000009.jpg").write_bytes(b"x")
    more = configured.folder_fingerprint(root)
    folder(lambda splits: splits["test"].pop())
    assert len({before, more, configured.folder_fingerprint(root)}) == 3


def test_every_class_can_be_read(folder):
    words = classes.vocabulary()

    def change(splits):
        splits["train"] = [entry(100 + c.hoi_id, (ROLES[c.verb_id], c.object_id + 1)) for c in words.classes]

    assert dataset(folder(change)).tables("train").pairs["hoi_id"].tolist()[:236] == list(words.ids)
