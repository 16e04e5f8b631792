"""The datasets that `data.source` chooses: their vocabularies, settings, tables and images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import layout_writers as written
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.config.data import Data
from pipeline.config.data import World as WorldSection
from pipeline.config.loading import load
from pipeline.datasets import classes, configured
from pipeline.datasets.dataset import BOXES
from pipeline.datasets.hico.dataset import Hico
from pipeline.datasets.hico.settings import RARE, SETTINGS
from pipeline.datasets.hico.vocabulary import COCO_IDS, HICO
from pipeline.datasets.world.classes import held_out, world_classes
from pipeline.datasets.world.dataset import World
from pipeline.errors import ConfigError, DataError
from pipeline.vocabulary.coco import COCO

TRAIN, TEST = "HICO_train2015_00000007.jpg", "HICO_test2015_00000007.jpg"


def test_the_source_chooses() -> None:
    assert isinstance(configured.dataset(Data(source="world")), World)
    hico = configured.dataset(Data(source="hico"))
    assert isinstance(hico, Hico) and hico.vocabulary is HICO and hico.settings is SETTINGS and hico.rare == RARE


def test_the_worlds_vocabulary_is_hicos_of_the_classes_that_it_draws() -> None:
    """Its file is its own; that names and numbers are HICO-DET's is what makes lexicon and CLIP fit."""
    drawn = world_classes()
    found = World(WorldSection()).vocabulary
    assert found == HICO.subset([c.hoi_id for c in drawn], name="rendered world")
    assert [(c.verb, c.verb_id, c.object, c.object_id) for c in drawn] == [
        (c.verb, c.verb_id, c.object, c.object_id) for c in found.classes
    ]


def test_coco_has_hicos_objects_in_its_order() -> None:
    assert list(COCO) == [thing.noun for thing in HICO.objects] and tuple(COCO.values()) == COCO_IDS


def test_world_tables_and_pictures() -> None:
    world = World(WorldSection(train_images=3, test_images=2))
    train, test = (world.tables(split) for split in ("train", "test"))
    assert train.images["image_id"].tolist() == [0, 1, 2] and test.images["image_id"].tolist() == [3, 4]
    assert test.images["file_name"].tolist() == ["test/000003.png", "test/000004.png"]
    assert set(test.pairs["image_id"]) <= {3, 4} and len(test.pairs) == test.images["n_pairs"].sum()
    hois = [world.vocabulary.hoi(h) for h in test.pairs["hoi_id"]]
    assert [(c.verb_id, c.object_id) for c in hois] == list(
        zip(test.pairs["verb_id"], test.pairs["object_id"], strict=True)
    )
    assert np.array_equal(np.asarray(world.open(4)), np.asarray(world.open(4))), "kept or sampled again, it is the same"
    assert world.open(4).size == (256, 192) and world.faults() is None


def test_validation_scenes_are_evaluated_in_place_of_test_scenes_and_train_ones_stay() -> None:
    usual = World(WorldSection(train_images=30, test_images=47))
    world = World(WorldSection(train_images=30, test_images=47, evaluated="validation"))
    assert world.tables("train").pairs.equals(usual.tables("train").pairs)
    found, test = world.tables("test"), usual.tables("test")
    assert found.images["image_id"].tolist() == test.images["image_id"].tolist()
    assert found.images["file_name"][0] == "validation/000030.png" and world.about()["evaluated"] == "validation scenes"
    assert "evaluated" not in usual.about()
    foreign = {
        tuple(row) for tables in (test, usual.tables("train")) for row in tables.pairs[BOXES].to_numpy().tolist()
    }
    assert not foreign & {tuple(row) for row in found.pairs[BOXES].to_numpy().tolist()}, "a scene of another split"
    assert not np.array_equal(np.asarray(world.open(31)), np.asarray(usual.open(31)))
    assert set(found.pairs["hoi_id"]) >= held_out(), "every held-out class has its turn, as in the test split"


def test_hico_tables_and_pictures(tmp_path: Path) -> None:
    pairs = [(name, 153, (1, 1, 20, 20), (5, 5, 64, 48)) for name in (TRAIN, TEST)]
    written.matlab(tmp_path / "anno_bbox.mat", written.canonical([(TRAIN, 64, 48), (TEST, 64, 48)], pairs))
    for name, place in ((TRAIN, "train2015"), (TEST, "test2015")):
        (tmp_path / "images" / place).mkdir(parents=True)
        Image.new("RGB", (64, 48), "red").save(tmp_path / "images" / place / name)
    hico = configured.dataset(Data(source="hico", root=tmp_path))
    test = hico.tables("test")
    assert test.images[["image_id", "file_name"]].values.tolist() == [[100_007, f"images/test2015/{TEST}"]]
    assert test.pairs[["hoi_id", "hx1", "hy1", "hx2", "hy2"]].values.tolist() == [[153, 0, 0, 20, 20]]
    assert test.boxes[["object_id", "x1", "x2"]].values.tolist() == [[0, 0, 20], [HICO.hoi(153).object_id, 4, 64]]
    assert test.presence.values.tolist() == [[100_007, 153, HICO.hoi(153).object_id]]
    assert hico.open(100_007).size == (64, 48) and "test from anno_bbox.mat" in hico.about()["source"]


def test_settings_of_the_dataset_and_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine: [ride horse]")
    ride = HICO.find("ride horse").hoi_id
    config = load(overrides=[f"data.settings={path}", "setting=mine"], environment={})
    assert configured.unseen(config) == {ride}
    assert configured.unseen(load(overrides=["setting=uv"], environment={})) == World(WorldSection()).settings["uv"]
    with pytest.raises(ConfigError, match=r"setting = 'min': .* Did you mean 'mine'\? Settings: .*uv, mine;"):
        configured.unseen(load(overrides=[f"data.settings={path}", "setting=min"], environment={}))
    path.write_text("rf_uc: [ride horse]")
    with pytest.raises(DataError, match="setting 'rf_uc': the dataset has a setting of that name"):
        configured.unseen(config)
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read"):
        configured.unseen(load(overrides=[f"data.settings={tmp_path / 'none.yaml'}"], environment={}))


MORE = "format: ezhoi-vocabulary/1\nverbs: [{name: vaccinate, ing: vaccinating}]\n"


def test_classes_that_are_added_are_unseen_in_every_setting(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    path.write_text(MORE + "classes: [[vaccinate, horse], [ride, horse]]")
    config = load(overrides=[f"data.classes={path}", "setting=default"], environment={})
    more, known = configured.vocabulary(config), configured.vocabulary(load(environment={}))
    new = more.find("vaccinate horse").hoi_id
    assert configured.added(more, known) == {new} == configured.unseen(config) and new == max(known.ids) + 1
    hidden = World(WorldSection()).settings
    assert configured.every_setting(config.data) == {name: ids | {new} for name, ids in hidden.items()}
    assert configured.all_settings(config.data)[0] == hidden, "the dataset's own are as they were"
    (tmp_path / "mine.yaml").write_text("none: []")
    chosen = [f"data.classes={path}", f"data.settings={tmp_path / 'mine.yaml'}", "setting=none"]
    with pytest.raises(ConfigError, match="setting = 'none' leaves no class unseen"):
        configured.unseen(load(overrides=chosen, environment={}))


@pytest.mark.parametrize(
    "content", ["objects: [forklift]\nclasses: [[ride, forklift]]", "classes: [[vaccinate, truck]]"]
)
def test_an_added_class_has_an_object_whose_boxes_are_found(content: str, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(MORE + content)
    config = load(overrides=[f"data.classes={tmp_path / 'more.yaml'}"], environment={})
    with pytest.raises(
        DataError, match=r"no class of rendered world has the object (forklift|truck), so .*predict --cl"
    ):
        configured.unseen(config)


def test_a_table_of_classes_tells_its_vocabulary() -> None:
    none = pd.Series(dtype=int)
    for words in (HICO, HICO.subset([153, 161])):
        found = classes.of_frame(classes.frame(words, train=none, unseen={}))
        assert found.classes == words.classes
    assert found.verb_names[0] == "verb 0" and found.object_names[1] == "object 1"


def test_knowing_the_vocabulary_reads_no_data() -> None:
    code = (
        "import sys; from pipeline.config.loading import load; from pipeline.datasets import configured;"
        "configured.unseen(load(environment={})), configured.unseen(load(profile='hico-vitb', environment={}));"
        "print({'numpy', 'pandas', 'torch', 'PIL'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True).stdout == "set()\n"
