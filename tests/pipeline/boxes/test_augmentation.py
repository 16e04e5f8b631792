"""Boxes follow pixels: whatever is drawn for an image, a painted rectangle lies where its moved box says."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.boxes.augmentation import LONGEST, SCALES, WINDOW_SCALES, Transform, draw
from pipeline.config.training import Augment
from pipeline.datasets.images import square

PAPER = Augment(flip=True, colour=0.4, scale=True, crop=0.5)


def painted(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """A green rectangle on grey."""
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = (20, 230, 20)
    return Image.fromarray(image)


def extent(pixels: np.ndarray) -> np.ndarray | None:
    """x1, y1, x2, y2 of what is more green than red in (H, W, 3), as fractions."""
    green = pixels[..., 1].astype(int) - pixels[..., 0] > 0.5 * (pixels[..., 1].astype(int) - pixels[..., 0]).max()
    if (pixels[..., 1].astype(int) - pixels[..., 0]).max() < 40:
        return None
    rows, columns = np.flatnonzero(green.any(1)), np.flatnonzero(green.any(0))
    height, width = green.shape
    return np.array([columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height])


@st.composite
def scenes(draw_from: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    width, height = draw_from(st.integers(60, 400)), draw_from(st.integers(60, 400))
    x1, y1 = draw_from(st.integers(0, width - 30)), draw_from(st.integers(0, height - 30))
    return (width, height), (x1, y1, draw_from(st.integers(x1 + 24, width)), draw_from(st.integers(y1 + 24, height)))


def fractions(box: tuple[int, ...], size: tuple[int, int]) -> torch.Tensor:
    return torch.tensor([box], dtype=torch.float32) / torch.tensor(size * 2)


@settings(max_examples=60, deadline=None)
@given(scenes(), st.integers(0, 2**31))
def test_a_painted_box_lies_where_its_moved_box_says(scene: tuple, seed: int) -> None:
    size, box = scene
    source = np.random.default_rng(seed)
    transform = draw(PAPER, size, source.random)
    if transform.shorter is not None:
        transform = dataclasses.replace(transform, shorter=transform.shorter // 4)  # sharpness is not what is tested
    moved, seen = transform.boxes(fractions(box, size), size)
    for pixels in (
        np.asarray(transform.picture(painted(size, box))),
        transform.pixels(painted(size, box), 160).permute(1, 2, 0).numpy(),
    ):
        found, step = extent(pixels), 1.6 / np.array([pixels.shape[1], pixels.shape[0]] * 2)
        sides = (moved[0, 2:] - moved[0, :2]).numpy() * [pixels.shape[1], pixels.shape[0]]
        if not bool(seen[0]):
            assert found is None
        elif sides.min() > 4:  # a thinner rest is blurred away
            assert found is not None
            np.testing.assert_array_less(np.abs(found - moved[0].numpy()), step)


@settings(max_examples=60, deadline=None)
@given(st.integers(30, 2000), st.integers(30, 2000), st.integers(0, 2**31))
def test_what_is_drawn_is_possible(width: int, height: int, seed: int) -> None:
    source = np.random.default_rng(seed)
    transform = draw(PAPER, (width, height), source.random)
    if transform.window is not None:
        left, top, right, bottom = transform.window
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        least = 384 / max(WINDOW_SCALES)  # of the shorter side
        assert max((right - left) / width, (bottom - top) / height) >= least - 2 / min(width, height)
    assert transform.shorter in SCALES
    assert transform.colour is not None and all(0.6 <= factor <= 1.4 for factor in transform.colour)


@settings(max_examples=40, deadline=None)
@given(scenes(), st.integers(0, 2**31))
def test_moved_boxes_stay_in_the_picture_and_have_a_size(scene: tuple, seed: int) -> None:
    size, box = scene
    moved, seen = draw(PAPER, size, np.random.default_rng(seed).random).boxes(fractions(box, size), size)
    assert moved.min() >= -1e-6 and moved.max() <= 1 + 1e-6
    if bool(seen[0]):
        assert moved[0, 0] < moved[0, 2] and moved[0, 1] < moved[0, 3]


def test_the_scale_is_limited_by_the_longer_side() -> None:
    wide = Image.new("RGB", (1200, 300))
    assert Transform(shorter=480).picture(wide).size == (LONGEST, 333)
    assert Transform(shorter=480).picture(Image.new("RGB", (320, 240))).size == (640, 480)


def test_settings_turn_their_parts_on() -> None:
    source = np.random.default_rng(0)
    many = [draw(Augment(flip=False), (640, 480), source.random) for _ in range(20)]
    assert set(many) == {Transform()} and many[0].only_mirrors
    flips = [draw(Augment(), (640, 480), source.random) for _ in range(400)]
    assert 150 < sum(t.mirrored for t in flips) < 250 and all(t.only_mirrors for t in flips)
    cut = [draw(Augment(crop=0.5), (640, 480), source.random) for _ in range(400)]
    assert 150 < sum(t.window is not None for t in cut) < 250


def test_mirroring_the_picture_is_mirroring_its_square() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8))
    assert torch.equal(Transform(mirrored=True).pixels(image, 32), square(image, 32).flip(-1))


def photograph(seed: int) -> Image.Image:
    """Smooth colours with some noise, 480 x 360: closer to a photograph than noise alone."""
    source = np.random.default_rng(seed)
    coarse = Image.fromarray(source.integers(0, 255, (9, 12, 3), dtype=np.uint8)).resize(
        (480, 360), Image.Resampling.BICUBIC
    )
    noisy = np.asarray(coarse).astype(float) + source.normal(0, 6, (360, 480, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("seed", range(4))
def test_the_square_is_the_picture_squashed_but_for_blur_and_rounding(seed: int) -> None:
    image = photograph(seed)
    transform = draw(PAPER, image.size, np.random.default_rng(seed).random)
    short = transform.pixels(image, 112).float()
    long = square(transform.picture(image), 112).float()
    assert (short - long).abs().mean() < 2.0
    other = square(dataclasses.replace(transform, mirrored=not transform.mirrored).picture(image), 112).float()
    assert (short - other).abs().mean() > 10.0


def test_the_scale_counts_for_a_detector_alone() -> None:
    image = photograph(1)
    few = Transform(mirrored=True, colour=(1.2, 0.9, 1.1))
    many = dataclasses.replace(few, shorter=480)
    assert torch.equal(few.pixels(image, 112), many.pixels(image, 112))
    assert many.picture(image).size == (640, 480) != few.picture(image).size


def test_colour_moves_no_box() -> None:
    transform = Transform(colour=(1.3, 0.7, 1.2))
    boxes = torch.rand(4, 4).sort(dim=1).values
    assert torch.equal(transform.boxes(boxes, (10, 10))[0], boxes)
    grey = np.asarray(Transform(colour=(1.0, 1.0, 0.0)).picture(painted((40, 40), (5, 5, 20, 20))))
    assert (grey[..., 0] == grey[..., 1]).all()


def test_a_window_by_hand() -> None:
    transform = Transform(window=(20, 10, 60, 30), mirrored=True)
    boxes = torch.tensor([[0.2, 0.2, 0.6, 0.6], [0.0, 0.0, 0.1, 0.1]])
    moved, seen = transform.boxes(boxes, (100, 50))
    assert seen.tolist() == [True, False]
    assert moved[0].tolist() == pytest.approx([0, 0, 1, 1])
    half, _ = transform.boxes(torch.tensor([[0.0, 0.0, 0.3, 1.0]]), (100, 50))
    assert half[0].tolist() == pytest.approx([0.75, 0, 1, 1])
