"""The small FCOS: what it finds is in pixels of the picture, and what its file holds is read as data alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from models import fcos
from models.fcos import FcosDetector, FcosSizes, Trained

SMALL = FcosSizes(hidden=(8, 8, 8, 8), depths=(1, 1, 1, 1), pyramid=32, head_convs=1, shorter=64, longest=96)
LABELS = ("person", "lamp", "horse")
SERVES = torch.tensor([[True, False], [False, False], [False, True]])


def trained() -> Trained:
    """Random weights whose outputs are sure enough to be told."""
    torch.manual_seed(0)
    net = fcos.build(SMALL, len(LABELS)).eval()
    torch.nn.init.zeros_(net.head.classification_head.cls_logits.bias)
    return Trained(net, SMALL, LABELS, {"kind": "world", "trained_on": "noise"})


def put(path: Path, model: Trained, **about: str) -> Path:
    save_file({k: v.contiguous() for k, v in model.net.state_dict().items()}, path, model.about() | about)
    return path


def test_boxes_are_in_pixels_of_the_picture_whatever_its_size() -> None:
    found = FcosDetector(trained(), SERVES)
    small = Image.effect_noise((96, 64), 90).convert("RGB")
    large = small.resize((960, 640), Image.Resampling.NEAREST)
    inputs = [found.prepare(picture) for picture in (small, large)]
    assert [tuple(one["pixel_values"].shape) for one, _ in inputs] == [(1, 3, 64, 96)] * 2
    (boxes, scores, objects), (tenfold, _, _) = found.detect(inputs)
    assert 0 < len(scores) <= 100 and set(objects.tolist()) == {0, 1} and bool((scores > fcos.LEAST_SCORE).all())
    for these, size in ((boxes, (96, 64)), (tenfold, (960, 640))):
        assert bool((these >= 0).all()) and bool((these[:, 2:] <= torch.tensor(size) + 1e-3).all())
    assert tenfold.max() > 320 > boxes.max()
    same = found.detect([(inputs[0][0], (960, 640))])[0][0]
    torch.testing.assert_close(same, boxes * 10, rtol=1e-5, atol=1e-4)  # equal but for rounding


def test_a_calibrated_score_is_a_probability_and_improbable_boxes_are_not_told() -> None:
    plain, model = trained(), replace(trained(), calibration=(4.0, -2.0))
    picture = Image.effect_noise((96, 64), 90).convert("RGB")
    ((_, raw, _),), ((_, chance, _),) = (
        one.detect([one.prepare(picture)]) for one in (FcosDetector(plain, SERVES), FcosDetector(model, SERVES))
    )
    torch.testing.assert_close(chance, torch.sigmoid(4 * raw - 2))
    never = FcosDetector(replace(plain, calibration=(0.0, -9.0)), SERVES)
    assert len(never.detect([never.prepare(picture)])[0][1]) == 0


def test_a_long_picture_is_no_longer_than_it_may_be() -> None:
    inputs, size = FcosDetector(trained(), SERVES).prepare(Image.new("RGB", (1000, 100)))
    assert inputs["pixel_values"].shape[-2:] == (10, 96) and size == (1000, 100)


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    model = trained()
    again = fcos.read(put(tmp_path / "a.safetensors", model))
    assert (again.sizes, again.labels, again.notes) == (model.sizes, model.labels, model.notes)
    picture = Image.effect_noise((96, 64), 90).convert("RGB")
    one, other = (FcosDetector(each, SERVES) for each in (model, again))
    assert torch.equal(one.detect([one.prepare(picture)])[0][0], other.detect([other.prepare(picture)])[0][0])
    assert one.digest() == other.digest() and other.outputs == 3
    assert other.notes == {"revision": None, "kind": "world", "trained_on": "noise"}


@pytest.mark.parametrize(
    "about",
    [
        {"sizes": json.dumps({"pyramid": 10**9})},
        {"sizes": json.dumps({"widths": [1]})},
        {"sizes": "[]"},
        {"labels": json.dumps(["person"])},
        {"labels": "{"},
        {"notes": "3"},
        {"calibration": "[1]"},
        {"calibration": "[NaN, 1]"},
    ],
)
def test_a_header_that_fits_no_detector_is_one_error(about: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no detector that `ezhoi world detector` wrote"):
        fcos.read(put(tmp_path / "bad.safetensors", trained(), **about))


def test_another_file_and_none_are_told_apart(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0")
    for name in ("other", "cut"):
        with pytest.raises(ValueError, match="is no detector"):
            fcos.read(tmp_path / f"{name}.safetensors")
    with pytest.raises(FileNotFoundError):
        fcos.read(tmp_path / "none.safetensors")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    broken = trained()
    with torch.no_grad():
        next(broken.net.parameters()).view(-1)[0] = torch.nan
    with pytest.raises(ValueError, match="has values that are no finite numbers"):
        fcos.read(put(tmp_path / "nan.safetensors", broken))
