"""The tiny detector: what it is shown, a rebuild in small, and what the shipped one says and finds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models import fcos
from models.fcos import FcosSizes
from pipeline.boxes import configured_detector
from pipeline.config.loading import load
from pipeline.config.packaged import TINY_DETECTOR
from pipeline.datasets.world.classes import world_classes
from pipeline.datasets.world.dataset import FILE
from pipeline.datasets.world.scenes import draw, sample
from pipeline.tiny import detection
from pipeline.tiny.boxes import CALIBRATION, SPLIT, Boxed, object_ids, scene
from pipeline.vocabulary import file

WORLD = file.read(FILE)
SMALLEST = detection.Recipe(
    scenes=4,
    steps=2,
    batch=2,
    calibration_scenes=2,
    sizes=FcosSizes(hidden=(8, 8, 8, 8), depths=(1, 1, 1, 1), pyramid=32, head_convs=1),
)


def test_a_scene_is_shown_with_the_boxes_of_everybody_and_everything() -> None:
    shown, drawn = scene(3, split=SPLIT, style="outlined"), sample(split=SPLIT, index=3, style="outlined")
    assert np.array_equal((shown.pixels.numpy().transpose(1, 2, 0) * 255).round(), np.asarray(draw(drawn)))
    ids = [object_ids()[label] for label in shown.labels.tolist()]
    assert ids == [0] * len(drawn.humans) + [object_id for object_id, _ in drawn.objects]
    wanted = [*drawn.humans, *(box for _, box in drawn.objects)]
    np.testing.assert_allclose(shown.boxes.numpy(), np.array(wanted), rtol=1e-6)


def test_a_mirrored_scene_has_mirrored_boxes() -> None:
    plain = scene(5, split=SPLIT, style="flat")
    seeds = (np.random.default_rng(seed) for seed in range(40))
    found = [scene(5, split=SPLIT, style="flat", rng=rng) for rng in seeds]
    mirrored = [one for one in found if torch.equal(one.pixels, plain.pixels.flip(-1))]
    assert mirrored and all(torch.equal(one.labels, plain.labels) for one in found)
    for one in mirrored:
        torch.testing.assert_close(one.boxes[:, [0, 2]], 256 - plain.boxes[:, [2, 0]])
        assert torch.equal(one.boxes[:, [1, 3]], plain.boxes[:, [1, 3]])


def test_no_scene_that_it_is_shown_is_one_of_a_data_set() -> None:
    for split in ("train", "test"):
        for own in (SPLIT, CALIBRATION):
            assert sample(split=split, index=0) != sample(split=own, index=0)


def test_a_rebuild_is_a_function_of_its_recipe_and_is_saved_whole(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first, again = (detection.train(SMALLEST) for _ in range(2))
    finally:
        torch.set_num_threads(threads)
    state = first.net.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in again.net.state_dict().items())
    path = tmp_path / "own.safetensors"
    detection.save(path, first, SMALLEST, detection.measure(first, scenes=2, style="flat"))
    loaded = fcos.read(path)
    assert (loaded.labels, loaded.sizes, loaded.calibration) == (first.labels, SMALLEST.sizes, first.calibration)
    assert all(
        torch.equal(value.half(), state[n].half())
        for n, value in loaded.net.state_dict().items()
        if value.is_floating_point()
    )
    assert json.loads(path.with_suffix(".json").read_text())["measured_in_test_scenes"]["scenes"] == 2


def test_each_thing_is_found_once_by_its_surest_box() -> None:
    shown = Boxed(torch.zeros(3, 4, 4), torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]]), torch.tensor([1, 2]))
    boxes = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 10, 4]])
    labels = torch.tensor([1, 1, 1, 1])
    true = detection._true(boxes, torch.tensor([0.5, 0.9, 0.8, 0.7]), labels, shown)
    assert true.tolist() == [False, True, False, False], (
        "the second best, the other label's, and too small a part are not"
    )


def test_scores_of_the_shipped_detector_are_probabilities() -> None:
    """The detector is measured in scenes of no split that it learned from or was calibrated on."""
    trained = fcos.read(TINY_DETECTOR)
    found = fcos.FcosDetector(trained, torch.eye(len(trained.labels), dtype=torch.bool))
    said, true = [], []
    for index in range(40):
        shown = scene(index, split="unseen", style="outlined")
        pixels = (shown.pixels[None] * 255).round().to(torch.uint8)
        ((boxes, scores, labels),) = found.detect([({"pixel_values": pixels}, (256, 192))])
        said.append(scores)
        true.append(detection._true(boxes, scores, labels, shown))
    chance, hit = torch.cat(said), torch.cat(true).float()
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        inside = (chance >= low) & (chance <= high)
        assert hit[inside].mean().item() == pytest.approx(chance[inside].mean().item(), abs=0.1)


def test_the_shipped_detector_says_what_it_was_shown_and_is_small() -> None:
    manifest = json.loads(TINY_DETECTOR.with_suffix(".json").read_text())
    assert manifest["trained_on"] == detection.NOTES["trained_on"] == fcos.read(TINY_DETECTOR).notes["trained_on"]
    assert [WORLD.object_names.index(name) for name in manifest["labels"]] == list(object_ids())
    assert set(object_ids()) >= {one.object_id for one in world_classes()}
    assert TINY_DETECTOR.stat().st_size < 3_000_000


def test_the_shipped_detector_finds_what_a_scene_shows() -> None:
    config = load(overrides=["device=cpu", "detections.source=hub", "detections.weights=tiny"], environment={})
    found = configured_detector.open_detector(config, WORLD)
    assert (found.identity["name"], found.identity["kind"]) == ("tiny", "world")
    assert found.identity["trained_on"] == detection.NOTES["trained_on"]
    figures = detection.measure(fcos.read(TINY_DETECTOR), scenes=20, style="outlined")
    assert figures["ap50"] > 30 and figures["pair_recall"] > 30, figures
