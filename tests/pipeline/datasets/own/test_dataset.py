"""Pictures of one's own as a dataset: words, splits, settings, tables, pictures; and the pipeline on them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import own_samples
import own_world
import pandas as pd
import pytest
import small_demo
from own_samples import DATA, WORDS
from PIL import Image

from pipeline.config.data import Data
from pipeline.config.data import Own as OwnSection
from pipeline.datasets import configured
from pipeline.datasets.images import Images
from pipeline.datasets.own.dataset import Own
from pipeline.engine import run, stage
from pipeline.errors import DataError


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """The samples' pictures with the `coco-rel` annotation and its words beside them."""
    root = tmp_path / "yard"
    own_samples.blank(root)
    shutil.copy(DATA / "coco-rel/good/interactions.json", root / "own.json")
    shutil.copy(WORDS, root)
    return root


def test_the_tables_of_both_splits(yard: Path) -> None:
    own = configured.dataset(Data(source="own", root=yard))
    assert isinstance(own, Own) and own.vocabulary.without_object == (6,)
    train, test = (own.tables(split) for split in ("train", "test"))
    assert test.images["file_name"].tolist() == ["street/gänse-04.png"] and len(train.images) == 5
    assert train.images.set_index("file_name")["n_pairs"].to_dict()["yard/empty-06.jpg"] == 0
    feed = own.vocabulary.find("feed goose")
    assert test.pairs.drop(columns="image").to_dict("records") == [
        {
            "hoi_id": feed.hoi_id,
            "verb_id": feed.verb_id,
            "object_id": feed.object_id,
            **dict(zip(("hx1", "hy1", "hx2", "hy2"), (40, 40, 180, 460), strict=True)),
            **dict(zip(("ox1", "oy1", "ox2", "oy2"), (220, 300, 330, 420), strict=True)),
            "image_id": 4,
        }
    ], "who waves alone is no pair"
    assert len(test.boxes) == 4 and len(train.boxes) == 11
    assert own.about()["acting_alone"] == 1 and own.settings == {"default": frozenset()}
    assert own.train_counts[own.vocabulary.find("push wheelbarrow").hoi_id] == 2


def test_test_pictures_that_are_training_pictures_too_are_told(yard: Path, caplog: pytest.LogCaptureFixture) -> None:
    value = json.loads((yard / "own.json").read_text(encoding="utf-8"))
    (test,) = (image for image in value["images"] if image["split"] == "test")
    size = (test["width"], test["height"])
    train = next(i for i in value["images"] if i["split"] == "train" and (i["width"], i["height"]) == size)
    names = {"test": test["file_name"], "train": train["file_name"]}
    Image.effect_noise(size, 90).convert("RGB").save(yard / names["test"])
    assert configured.dataset(Data(source="own", root=yard)).about()["in_both_splits"] == 0 and caplog.text == ""
    shutil.copy(yard / names["test"], yard / names["train"])
    assert configured.dataset(Data(source="own", root=yard)).about()["in_both_splits"] == 1
    assert f"1 of 1 test pictures are training pictures too, such as {names['test']}" in caplog.text


def test_pictures_that_are_not_exhaustively_annotated_are_told(yard: Path, tmp_path: Path) -> None:
    config = small_demo.small(tmp_path / "store", "data.source=own", f"data.root={yard}", "setting=default")
    plain = run.run(config, targets=("annotations",))["annotations"].artifact
    assert "exhaustive" not in plain.table("train-images.parquet")
    value = json.loads((yard / "own.json").read_text(encoding="utf-8"))
    value["images"][1]["exhaustive"] = False
    (yard / "own.json").write_text(json.dumps(value), encoding="utf-8")
    made = run.run(config, targets=("annotations",))["annotations"].artifact
    assert Images(plain, split="train").incomplete == frozenset()
    assert Images(made, split="train").incomplete == {2}
    assert made.manifest.metrics["not_exhaustive"] == 1


def test_a_picture_that_is_stored_turned_is_seen_as_it_is_shown(yard: Path) -> None:
    assert configured.dataset(Data(source="own", root=yard)).open(2).size == (600, 900)
    root = yard.parent
    config = small_demo.small(root / "store", "data.source=own", f"data.root={yard}", "setting=default")
    artifact = run.run(config, targets=("annotations",))["annotations"].artifact
    assert Images(artifact, split="train", root=yard).open(2).size == (600, 900)


def test_faulty_rows_stop_a_run_or_are_left_out_and_listed(yard: Path) -> None:
    shutil.copy(DATA / "coco-rel/faulty/interactions.json", yard / "own.json")
    with pytest.raises(DataError, match=r"12 rows that cannot be used.*(\n.*)*data\.faults=skip"):
        configured.dataset(Data(source="own", root=yard)).tables("train")
    own = configured.dataset(Data(source="own", root=yard, faults="skip"))
    listed = own.faults()
    assert len(own.tables("train").pairs) == 5 and listed is not None
    assert "annotation 3" in listed["row"].tolist() and len(listed) == 12


def test_settings_by_names_and_by_rule(yard: Path) -> None:
    words = WORDS.read_text(encoding="utf-8")
    (yard / "vocabulary.yaml").write_text(
        f"{words}settings: {{mine: [hold ladder], verbs: {{unseen verbs: [repair]}}, few: rare 30%}}\n"
    )
    own = configured.dataset(Data(source="own", root=yard))
    names = {name: {own.vocabulary.hoi(h).name for h in hidden} for name, hidden in own.settings.items()}
    assert names == {
        "default": set(),
        "mine": {"hold ladder"},
        "verbs": {"repair cargo bike", "repair wheelbarrow"},
        # Of ten classes three at most; none that is the last of its verb or its object.
        "few": {"repair cargo bike", "hold cargo bike"},
    }


def test_splits_are_drawn_once_and_for_all(tmp_path: Path) -> None:
    own_world.make(tmp_path, train=30, test=10, splits=False)
    section = Data(source="own", root=tmp_path)
    first, again = configured.dataset(section), configured.dataset(section)
    assert first.splits == again.splits and 4 <= Counter(first.splits)["test"] <= 12
    other = configured.dataset(Data(source="own", root=tmp_path, own=OwnSection(seed=1)))
    assert other.splits != first.splits
    tested, trained = (set(first.tables(split).pairs["hoi_id"]) for split in ("test", "train"))
    assert tested <= trained, "every class that is tested is trained too"


def test_a_folder_without_pictures_or_annotation_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs the folder"):
        configured.dataset(Data(source="own")).tables("train")
    shutil.copy(DATA / "coco-rel/good/interactions.json", tmp_path / "own.json")
    with pytest.raises(DataError, match="no picture is in this folder"):
        configured.dataset(Data(source="own", root=tmp_path)).tables("train")
    empty = tmp_path / "empty"
    own_samples.blank(empty)
    with pytest.raises(DataError, match="no annotation is here"):
        configured.dataset(Data(source="own", root=empty)).tables("train")


def test_what_counts_of_the_folder(yard: Path) -> None:
    """Annotation, words, names and sizes of pictures; not where the folder lies."""
    config = small_demo.small(yard.parent, "data.source=own", f"data.root={yard}")

    def taken() -> str:
        return stage.source_digest(config.sources()["data.root"])

    before = taken()
    assert before == taken()
    moved = yard.parent / "moved"
    shutil.copytree(yard, moved)
    there = small_demo.small(yard.parent, "data.source=own", f"data.root={moved}")
    assert stage.source_digest(there.sources()["data.root"]) == before
    (yard / "vocabulary.yaml").write_text(WORDS.read_text(encoding="utf-8") + "\n# more\n", encoding="utf-8")
    words = taken()
    Image.new("RGB", (90, 50)).save(yard / "new.png")
    pictures = taken()
    assert len({before, words, pictures}) == 3
    for name in ("looked/drawn/new.png", "looked/.done.jsonl", "looked/predictions.json", ".git/x.json"):
        (yard / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (90, 50)).save(yard / name, "PNG")
    assert taken() == pictures, "what a prediction wrote there, and what is hidden, is no part of the data"


@pytest.mark.slow
def test_the_pipeline_on_them_is_that_of_the_same_pictures_elsewhere(tmp_path: Path) -> None:
    """The rendered world, drawn into files and annotated as one's own, gives what the rendered world gives."""
    root = tmp_path / "pictures"
    own_world.make(root, train=24, test=12)
    few = [
        "data.world.train_images=24",
        "data.world.test_images=12",
        "seen.epochs=1",
        "utpl.steps=2",
        "setting=default",
    ]
    mine = [*few, "data.source=own", f"data.root={root}", "detections.source=ground_truth"]
    own = run.run(small_demo.small(tmp_path / "store", *mine))["evaluation"].artifact
    world = run.run(small_demo.small(tmp_path / "store", *few, "detections.source=ground_truth"))["evaluation"].artifact
    both = [made.table("predictions.parquet") for made in (own, world)]
    assert len(both[0]) == len(both[1])
    keys = ["image_id", "hoi_id", "hx1", "ox1", "oy1"]
    both[0]["image_id"] -= 1
    corners = [table[keys].sort_values(keys) for table in both]
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in corners), check_dtype=False)
    maps = [json.loads(made.path("report.json").read_text())["map"]["detector_only"]["full"] for made in (own, world)]
    assert maps[0] == pytest.approx(maps[1])
    assert np.isfinite(own.manifest.metrics["full"])
