"""A step's images as they are augmented: boxes from the cache moved along, or found anew by an online detector."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from split_tables import one_a_split
from transformers import DetrImageProcessor

from models import detr_checkpoint, hub_detector
from pipeline.config.loading import load
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.tables import arrays
from pipeline.training import batches
from pipeline.training.batches import Shown, TrainingImages, View
from pipeline.training.task import Part
from pipeline.work.work import Work
from tests.models.original_detr import build

PHOTOGRAPH = Path(__file__).parents[4] / "shared" / "data" / "images" / "hico"
PAPER = ("seen.augment.colour=0.4", "seen.augment.scale=true", "seen.augment.crop=0.5", "seen.batch_size=1")


@pytest.fixture
def images(tmp_path: Path, artifact: Callable) -> Callable[..., TrainingImages]:
    """The HICO-DET photograph as a training split of its own, with its annotated boxes as detections."""
    if not PHOTOGRAPH.is_dir():
        pytest.skip(f"{PHOTOGRAPH} is not there: no photograph to train on")
    (known,) = json.loads((PHOTOGRAPH / "annotations.json").read_text()).values()
    human, thing = known["annotation"]["boxes_h"][0], known["annotation"]["boxes_o"][0]
    (path,) = PHOTOGRAPH.glob("*.jpg")
    corners = ["x1", "y1", "x2", "y2"]
    table = pd.DataFrame({"image_id": [7], "split": "train", "file_name": path.name, "width": 640, "height": 424})
    pair = [f"{s}{c}" for s in "ho" for c in corners]
    pairs = pd.DataFrame([(7, "train", 89, *human, *thing)], columns=["image_id", "split", "hoi_id", *pair])
    boxes = pd.DataFrame(
        [(7, 0, 0.9, *human), (7, 56, 0.8, *thing)], columns=["image_id", "object_id", "score", *corners]
    )
    (tmp_path / "embeddings").mkdir()
    tokens = np.zeros((1, 5, 8), np.float16)
    arrays.write(tmp_path / "embeddings" / "train-000.parquet", {"image_id": [7], "tokens": tokens}, rows_a_group=1)
    inputs = {
        "annotations": artifact(tmp_path / "annotations", **one_a_split(images=table, pairs=pairs)),
        "detections": artifact(tmp_path / "detections", "detections", train=boxes),
        "image_embeddings": artifact(tmp_path / "embeddings", "image_embeddings"),
    }

    def make(*settings: str, seen: tuple[int, ...] = (89,)) -> TrainingImages:
        config = load(overrides=["device=cpu", f"data.root={PHOTOGRAPH}", *settings], environment={})
        work = Work(stage="seen", config=config, inputs=inputs, out=tmp_path, scratch=tmp_path)
        return TrainingImages(work, SimpleNamespace(image_size=64), HICO, seen)

    return make


def seen(images: TrainingImages, step: int) -> View:
    return images.view(images.show([7], step))


def test_augmented_steps_keep_their_labels(images: Callable[..., TrainingImages]) -> None:
    found = images(*PAPER)
    views = [seen(found, step) for step in range(30)]
    assert len({tuple(v.found.boxes[0, 0].tolist()) for v in views}) > 8
    assert len({v.pixels.float().mean().item() for v in views}) > 20
    matched = [v.matches[1].tolist() for v in views]
    assert all(m in ([89], []) for m in matched) and matched.count([89]) > 25
    for v in views:
        people = v.found.labels[0][v.found.present[0]] == 0
        assert len(v.found.pairs) == int(people.sum()) * (int(v.found.present.sum()) - 1)


def test_a_step_is_the_same_whenever_it_is_made(images: Callable[..., TrainingImages]) -> None:
    first, second = images(*PAPER), images(*PAPER)
    for step in (3, 1, 2):
        second.show([7], step)
    a, b = first.load(2, Part(0, 1)), second.load(2, Part(0, 1))
    assert a is not None and b is not None
    assert torch.equal(a.view.pixels, b.view.pixels) and torch.equal(a.view.found.boxes, b.view.found.boxes)
    assert torch.equal(a.truth, b.truth)


def test_without_augmentation_the_image_is_only_squashed(images: Callable[..., TrainingImages]) -> None:
    view = seen(images("seen.augment.flip=false"), 0)
    (path,) = PHOTOGRAPH.glob("*.jpg")
    whole = np.asarray(Image.open(path).resize((64, 64), Image.Resampling.BICUBIC))
    assert torch.equal(view.pixels[0], torch.tensor(whole).permute(2, 0, 1))


@pytest.fixture
def online(images: Callable[..., TrainingImages], tmp_path: Path) -> TrainingImages:
    """Images at which a small DETR with random weights looks."""
    folder = tmp_path / "model"
    hub_detector.save(detr_checkpoint.convert(build().state_dict()), folder, labels=list(HICO.object_names), notes={})
    DetrImageProcessor(size={"shortest_edge": 96, "longest_edge": 160}).save_pretrained(folder)
    return images(*PAPER, "seen.augment.detector=online", f"detections.weights={folder}")


def test_everything_but_the_detection_is_made_ahead_and_draws_nothing(online: TrainingImages) -> None:
    """Loaded in threads, in any order, while others draw from torch's generator: the batches are the same."""
    alone = [online.ready(online.load(step, Part(0, 1))) for step in range(3)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        loaded = list(pool.map(lambda step: online.load(step, Part(0, 1)), (2, 0, 1)))
    assert torch.equal(torch.get_rng_state(), before), "loading draws nothing"
    assert all(isinstance(shown, Shown) and len(shown.pictures) == 1 for shown in loaded)
    for step, shown in zip((2, 0, 1), loaded, strict=True):
        torch.rand(step + 1)
        batch, same = online.ready(shown), alone[step]
        assert batch is not None and same is not None
        assert torch.equal(batch.view.pixels, same.view.pixels)
        assert torch.equal(batch.view.found.scores, same.view.found.scores) and torch.equal(batch.verbs, same.verbs)


def test_an_online_detector_looks_at_what_is_seen(online: TrainingImages, monkeypatch: pytest.MonkeyPatch) -> None:
    views = [seen(online, 0) for _ in range(2)]
    present = views[0].found.present[0]
    assert 1 <= int(present.sum()) <= 10  # of ten queries, not of the two cached boxes
    assert torch.equal(views[0].pixels, views[1].pixels) and torch.equal(views[0].found.scores, views[1].found.scores)
    monkeypatch.setattr(batches, "seed_of", lambda *names: 1)
    other = seen(online, 0)
    assert torch.equal(views[0].pixels, other.pixels)
    assert not torch.equal(views[0].found.scores, other.found.scores), "its dropout is on"
    assert float(views[0].found.boxes.min()) > -0.5 and float(views[0].found.boxes.max()) < 1.5


def test_what_is_not_annotated_is_no_negative_where_the_annotation_is_not_exhaustive(
    images: Callable[..., TrainingImages],
) -> None:
    found = images("seen.batch_size=1")
    whole = found.ready(found.load(0, Part()))
    found._images.incomplete = frozenset({7})
    some = found.ready(found.load(0, Part()))
    assert whole is not None and some is not None
    assert whole.exhaustive.all() and not some.exhaustive.any()
    assert some.truth.sum() == whole.truth.sum() > 0 and some.truth.all(), (
        "every annotated verb counts, and nothing else"
    )


def test_labels_of_unseen_classes_alone_teach_nothing(images: Callable[..., TrainingImages]) -> None:
    with pytest.raises(DataError, match="none of the 1 annotated pairs of the 1 training pictures is of a seen class"):
        images(seen=(88, 90))
