"""Checkpoints of the original DETR code, converted: the same function, every key told, nothing guessed."""

import argparse
from pathlib import Path

import pytest
import torch
from PIL import Image

from models import detr_checkpoint, hub_detector, questions
from models.detector import Prepared
from models.hub_detector import HubDetector
from pipeline.boxes.labels import serving
from pipeline.datasets.hico.vocabulary import HICO
from tests.models.original_detr import OriginalDetr, build

LABELS = list(HICO.object_names)


def load(folder: Path) -> HubDetector:
    """The detector of a folder with HICO-DET's objects."""
    network = hub_detector.read(str(folder))
    assert network.labels is not None
    return HubDetector(network, questions.of_labels(torch.from_numpy(serving(network.labels, HICO.objects))))


def seen(pixels: torch.Tensor, size: tuple[int, int]) -> Prepared:
    """Pixels (3, h, w) as a prepared image of that width and height."""
    return {"pixel_values": pixels[None], "pixel_mask": torch.ones(1, *pixels.shape[1:], dtype=torch.long)}, size


@pytest.fixture(scope="module")
def original() -> OriginalDetr:
    return build()


@pytest.fixture(scope="module")
def converted(original: OriginalDetr, tmp_path_factory: pytest.TempPathFactory) -> HubDetector:
    folder = tmp_path_factory.mktemp("detr")
    found = detr_checkpoint.convert(original.state_dict())
    hub_detector.save(found, folder, labels=LABELS, notes={"kind": "hico"})
    return load(folder)


def padded_images() -> tuple[torch.Tensor, torch.Tensor]:
    pixels, mask = torch.randn(2, 3, 96, 128), torch.ones(2, 96, 128, dtype=torch.long)
    mask[1, 64:], mask[1, :, 80:] = 0, 0
    return pixels * mask[:, None], mask


def test_a_converted_model_computes_the_same(original: OriginalDetr, converted: HubDetector) -> None:
    pixels, mask = padded_images()
    with torch.no_grad():
        logits, boxes = original(pixels, mask)
        found = converted.net(pixel_values=pixels, pixel_mask=mask)
    torch.testing.assert_close(found.logits, logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.pred_boxes, boxes, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_a_converted_detr_r50_computes_the_same(tmp_path: Path) -> None:
    """The true sizes: ResNet-50, 6 + 6 layers of width 256, 100 queries, 92 outputs."""
    net = build(outputs=92, width=256, layers=6, queries=100, deep=True)
    found = detr_checkpoint.convert(net.state_dict())
    assert found.left == () and len(found.keys) == 458
    hub_detector.save(found, tmp_path, labels=[*LABELS, *(f"N/A {i}" for i in range(11))], notes={})
    loaded = load(tmp_path)
    pixels, mask = padded_images()
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.net(pixel_values=pixels, pixel_mask=mask).logits, net(pixels, mask)[0], atol=1e-5, rtol=1e-4
        )


def test_every_key_is_told(original: OriginalDetr) -> None:
    state = dict(original.state_dict()) | {
        "mystery.weight": torch.zeros(1),
        "backbone.0.body.layer1.0.odd": torch.zeros(1),
    }
    found = detr_checkpoint.convert(state)
    assert found.left == ("mystery.weight", "backbone.0.body.layer1.0.odd")
    assert {old for old, _, _ in found.keys} == set(original.state_dict())
    names = {old: new for old, new, _ in found.keys}
    assert names["transformer.decoder.layers.1.multihead_attn.in_proj_weight"] == tuple(
        f"model.decoder.layers.1.encoder_attn.{p}_proj.weight" for p in "qkv"
    )
    assert found.outputs == 81


@pytest.mark.parametrize("wrap", ["model_state_dict", "model", None])
@pytest.mark.parametrize("prefix", ["", "module.", "detector.", "module.detector."])
def test_wrappers_and_prefixes_are_taken_off(original: OriginalDetr, wrap: str | None, prefix: str) -> None:
    state = {prefix + k: v for k, v in original.state_dict().items()} | {"clip_head.weight": torch.zeros(2)}
    found = detr_checkpoint.unwrap({wrap: state, "epoch": 3} if wrap else state)
    assert detr_checkpoint.convert(found).left == (() if "detector" in prefix else ("clip_head.weight",))


def test_what_is_no_detr_is_refused(original: OriginalDetr) -> None:
    with pytest.raises(ValueError, match="holds no DETR"):
        detr_checkpoint.unwrap({"model": {"fc.weight": torch.zeros(1)}})
    without = {k: v for k, v in original.state_dict().items() if not k.startswith("query_embed")}
    with pytest.raises(ValueError, match=r"lacks query_embed\.weight"):
        detr_checkpoint.convert(without)


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path, original: OriginalDetr) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"model": original.state_dict(), "args": argparse.Namespace(lr=1)}, tmp_path / "good.pth")
    assert "class_embed.weight" in detr_checkpoint.read(str(tmp_path / "good.pth"))["model"]
    torch.save({"model": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(Exception, match="could execute code"):
        detr_checkpoint.read(str(tmp_path / "evil.pth"))
    assert not (tmp_path / "executed").exists()


def test_scores_are_of_objects_and_boxes_in_pixels(converted: HubDetector) -> None:
    picture = Image.effect_noise((90, 60), 80).convert("RGB")
    first = converted.prepare(picture)[0]["pixel_values"][0, :, :64, :96]
    small = [seen(first, (90, 60)), seen(torch.zeros(3, 32, 32), (20, 40))]
    (boxes, scores, labels), second = converted.detect(small)
    inputs = hub_detector._together([inputs for inputs, _ in small])
    assert inputs["pixel_values"].shape == (2, 3, 64, 96) and inputs["pixel_mask"][1].sum() == 32 * 32
    with torch.no_grad():
        raw = converted.net(**inputs)
    chances = raw.logits.softmax(-1)[..., :80]
    torch.testing.assert_close(scores, chances[0].max(-1).values)
    assert labels.tolist() == chances[0].argmax(-1).tolist()
    cx, cy, w, h = raw.pred_boxes[0].unbind(-1)
    expected = torch.stack([(cx - w / 2) * 90, (cy - h / 2) * 60, (cx + w / 2) * 90, (cy + h / 2) * 60], -1)
    torch.testing.assert_close(boxes, expected)
    assert second[0].shape == (10, 4)


def test_labels_are_found_by_name_in_any_order(tmp_path: Path, original: OriginalDetr, converted: HubDetector) -> None:
    found = detr_checkpoint.convert(original.state_dict())
    hub_detector.save(found, tmp_path, labels=sorted(LABELS), notes={})
    alphabetical = load(tmp_path)
    same = [seen(torch.randn(3, 64, 64), (64, 64))]
    (_, _, a), (_, _, b) = converted.detect(same)[0], alphabetical.detect(same)[0]
    assert a.tolist() == [sorted(LABELS).index(LABELS[i]) for i in b]


def test_preparation_is_detrs_own(converted: HubDetector) -> None:
    inputs, size = converted.prepare(Image.new("RGB", (640, 480), (124, 116, 104)))
    assert (tuple(inputs["pixel_values"].shape), size) == ((1, 3, 800, 1066), (640, 480))
    assert inputs["pixel_values"].abs().max() < 0.02  # ImageNet's mean colour
    assert converted.prepare(Image.new("RGB", (1000, 300)))[0]["pixel_values"].shape == (1, 3, 400, 1333)


def test_dropout_is_on_only_where_asked(converted: HubDetector) -> None:
    image = [seen(torch.randn(3, 64, 64), (64, 64))]
    calm = [converted.detect(image)[0][1] for _ in range(2)]
    noisy = [converted.detect(image, noisy=True)[0][1] for _ in range(2)]
    torch.testing.assert_close(*calm)
    assert not torch.equal(*noisy)


def test_missing_weights_are_an_error(tmp_path: Path, original: OriginalDetr) -> None:
    from safetensors.torch import load_file, save_file

    hub_detector.save(detr_checkpoint.convert(original.state_dict()), tmp_path, labels=LABELS, notes={})
    weights = load_file(tmp_path / "model.safetensors")
    del weights["bbox_predictor.layers.2.bias"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"1 weights are missing .*bbox_predictor\.layers\.2\.bias"):
        load(tmp_path)


def test_weights_that_are_no_numbers_are_an_error(tmp_path: Path, original: OriginalDetr) -> None:
    """Its scores would all be nan, and no box above any threshold: a detector that finds nothing, without a word."""
    from safetensors.torch import load_file, save_file

    hub_detector.save(detr_checkpoint.convert(original.state_dict()), tmp_path, labels=LABELS, notes={})
    weights = load_file(tmp_path / "model.safetensors")
    weights["class_labels_classifier.weight"][0, 0] = torch.nan
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"its class_labels_classifier\.weight has values that are no finite numbers"):
        load(tmp_path)
