"""Fresh scenes as files: drawings with the boxes that `ezhoi predict --boxes` reads, and none of them anybody's split."""

from pathlib import Path

import pandas as pd
from PIL import Image

from pipeline.config.data import Data
from pipeline.datasets import configured
from pipeline.datasets.world import pictures
from pipeline.datasets.world.scenes import sample
from pipeline.predict import boxes_file

VOCABULARY = configured.dataset(Data(source="world")).vocabulary


def test_pictures_and_their_boxes(tmp_path: Path) -> None:
    paths = pictures.write(tmp_path / "scenes", count=3, vocabulary=VOCABULARY)
    assert [path.name for path in paths] == ["000.png", "001.png", "002.png"]
    found = boxes_file.read(tmp_path / "scenes" / pictures.BOXES_FILE, [path.name for path in paths], VOCABULARY)
    for place, path in enumerate(paths):
        scene = sample(split=pictures.SPLIT, index=place)
        with Image.open(path) as image:
            assert image.size == (scene.width, scene.height)
        boxes = found.of(place)
        assert not boxes.left_out and (boxes.objects == 0).sum() == len(scene.humans)
        assert sorted(boxes.objects[boxes.objects > 0].tolist()) == sorted(number for number, _ in scene.objects)
    table = pd.read_parquet(tmp_path / "scenes" / pictures.BOXES_FILE)
    assert (table["score"] == 1).all() and (table["x2"] > table["x1"]).all()


def test_they_are_of_no_split(tmp_path: Path) -> None:
    fresh = sample(split=pictures.SPLIT, index=0)
    assert all(sample(split=split, index=0) != fresh for split in ("train", "test", "detector"))
