"""Scenes are pure, exactly boxed, restricted to the classes asked for, and sampled by the classes' weights."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.datasets.world.classes import held_out, world_classes
from pipeline.datasets.world.drawing.paint import SUPERSAMPLING, paint, shrink
from pipeline.datasets.world.drawing.styles import STYLES
from pipeline.datasets.world.scenes import HEIGHT, WIDTH, Box, Scene, draw, object_picture, sample, single
from pipeline.datasets.world.sheet import contact_sheet

ROOT = Path(__file__).resolve().parents[4]
FINGERPRINT = """
import hashlib
from pipeline.datasets.world.scenes import draw, object_picture, sample
digest = hashlib.sha256()
for style in ("flat", "outlined"):
    scene = sample(split="train", index=7, style=style)
    digest.update(repr(scene).encode() + repr(scene.patches).encode() + draw(scene).tobytes())
    digest.update(object_picture(object_id=17, index=3, style=style).tobytes())
print(digest.hexdigest())
"""


def tight(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def silhouette(scene: Scene, *, kind: str, index: int) -> Image.Image:
    """A mask (mode L, 255 where painted) of one person (`kind` "human") or object ("object"), unoccluded."""
    size = (scene.width * SUPERSAMPLING, scene.height * SUPERSAMPLING)
    canvas = Image.new("RGB", size, (255, 0, 255))
    paint([patch for patch in scene.patches if patch.owner == (kind, index)], canvas=canvas)
    pixels = np.asarray(shrink(canvas), dtype=np.int16)
    changed = np.abs(pixels - np.array([255, 0, 255], dtype=np.int16)).sum(axis=2) > 96
    return Image.fromarray((changed * 255).astype(np.uint8), mode="L")


def fingerprint(hash_seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", FINGERPRINT],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


def test_same_arguments_give_the_same_scene_and_bytes() -> None:
    first, second = (sample(split="train", index=3) for _ in range(2))
    assert first == second
    assert draw(first).tobytes() == draw(second).tobytes()
    assert sample(split="test", index=3) != first
    assert sample(split="train", index=4) != first


def test_scenes_do_not_depend_on_the_process() -> None:
    assert fingerprint("1") == fingerprint("2")


def test_order_and_repetition_of_classes_do_not_matter() -> None:
    ids = [one.hoi_id for one in world_classes()][:20]
    assert sample(split="a", index=0, classes=ids) == sample(split="a", index=0, classes=[*reversed(ids), ids[0]])


@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, 10**6), style=st.sampled_from(sorted(STYLES)))
def test_boxes_are_tight_around_what_is_drawn(index: int, style: str) -> None:
    scene = sample(split="boxes", index=index, style=style)
    boxed = [("human", k, box) for k, box in enumerate(scene.humans)]
    boxed += [("object", k, box) for k, (_, box) in enumerate(scene.objects)]
    for kind, k, box in boxed:
        drawn = tight(np.asarray(silhouette(scene, kind=kind, index=k)))
        assert np.abs(np.array(drawn) - np.array(box)).max() <= 2.0, (kind, k, drawn, box)


@settings(max_examples=60, deadline=None)
@given(index=st.integers(0, 10**6), max_pairs=st.integers(1, 3))
def test_annotations_are_sound(index: int, max_pairs: int) -> None:
    scene = sample(split="sound", index=index, max_pairs=max_pairs)
    assert 1 <= len(scene.pairs) <= max_pairs
    assert len({pair.human for pair in scene.pairs}) == len({pair.object for pair in scene.pairs}) == len(scene.pairs)
    for x1, y1, x2, y2 in (*scene.humans, *(box for _, box in scene.objects)):
        assert min(x1, y1) >= 0 and x2 <= WIDTH and y2 <= HEIGHT
        assert min(x2 - x1, y2 - y1) >= 5.5
    objects = {one.hoi_id: one.object_id for one in world_classes()}
    assert all(scene.objects[pair.object][0] == objects[pair.hoi_id] for pair in scene.pairs)


def test_only_allowed_classes_and_their_objects_are_shown() -> None:
    allowed = {one.hoi_id for one in world_classes()} - held_out()
    objects = {one.object_id for one in world_classes() if one.hoi_id in allowed}
    for index in range(90):
        scene = sample(split="strict", index=index, classes=allowed)
        assert {pair.hoi_id for pair in scene.pairs} <= allowed
        assert {object_id for object_id, _ in scene.objects} <= objects
        # A lone object and a lone person never share a picture: together they would depict "no_interaction".
        assert len(scene.objects) == len(scene.pairs) or len(scene.humans) == len(scene.pairs)


def test_lone_objects_are_none_that_the_world_watches_or_ignores() -> None:
    regarded = {one.object_id for one in world_classes() if one.verb in ("watch", "no_interaction")}
    lone: set[int] = set()
    for index in range(80):
        scene = sample(split="lone", index=index)
        paired = {pair.object for pair in scene.pairs}
        lone |= {object_id for k, (object_id, _) in enumerate(scene.objects) if k not in paired}
    assert lone and not lone & regarded


def test_class_frequencies_follow_the_weights() -> None:
    counts = Counter(
        pair.hoi_id for index in range(450) for pair in sample(split="freq", index=index, style="flat").pairs
    )
    weights = np.array([one.weight for one in world_classes()])
    drawn = np.array([counts[one.hoi_id] for one in world_classes()])
    assert np.corrcoef(weights, drawn)[0, 1] > 0.85
    heavy = weights > np.median(weights)
    assert drawn[heavy].sum() / drawn.sum() == pytest.approx(weights[heavy].sum() / weights.sum(), abs=0.07)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_class_can_be_drawn(style: str) -> None:
    digests = set()
    for one in world_classes():
        scene = single(hoi_id=one.hoi_id, index=0, style=style)
        picture = draw(scene)
        assert (picture.mode, picture.size) == ("RGB", (WIDTH, HEIGHT))
        assert [pair.hoi_id for pair in scene.pairs] == [one.hoi_id]
        digests.add(hashlib.sha256(picture.tobytes()).hexdigest())
    assert len(digests) == len(world_classes())


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_object_has_a_picture_of_its_own(style: str) -> None:
    for object_id in {one.object_id for one in world_classes()}:
        assert object_picture(object_id=object_id, index=0, style=style).size == (WIDTH, HEIGHT)


def test_the_styles_look_different() -> None:
    means = {}
    for style in STYLES:
        pixels = np.stack([np.asarray(draw(sample(split="gap", index=k, style=style))) for k in range(12)])
        means[style] = float(pixels.mean())
    assert means["flat"] - means["outlined"] > 40


def test_bad_arguments_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="flat, outlined"):
        sample(split="a", index=0, style="oil")
    with pytest.raises(ValueError, match=r"classes\.csv"):
        sample(split="a", index=0, classes=[599])
    with pytest.raises(ValueError, match="empty"):
        sample(split="a", index=0, classes=[])
    with pytest.raises(ValueError, match="max_pairs"):
        sample(split="a", index=0, max_pairs=0)
    with pytest.raises(ValueError, match="object_id"):
        object_picture(object_id=0, index=0)


def test_contact_sheets_hold_every_scene() -> None:
    scenes: list[Scene] = [sample(split="sheet", index=k, style="flat") for k in range(3)]
    sheet = contact_sheet(scenes, columns=2)
    assert sheet.width == 2 * WIDTH and sheet.height > 2 * HEIGHT
    with pytest.raises(ValueError, match="scenes"):
        contact_sheet([])


def test_scenes_are_partly_occluded_but_no_object_is_hidden() -> None:
    covers = 0
    for index in range(60):
        scene = sample(split="cover", index=index, style="flat")
        cover = [patch for patch in scene.patches if patch.owner == ("cover", 0)]
        covers += bool(cover)
        for pair in scene.pairs:
            x1, y1, x2, y2 = scene.objects[pair.object][1]
            for patch in cover:
                xs, ys = patch.points[0::2], patch.points[1::2]
                wide = max(0.0, min(x2, max(xs)) - max(x1, min(xs)))
                high = max(0.0, min(y2, max(ys)) - max(y1, min(ys)))
                assert wide * high < 0.5 * (x2 - x1) * (y2 - y1)
    assert covers > 10
