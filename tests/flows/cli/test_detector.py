"""`ezhoi detector`: conversion with its report, and the judgement of cached boxes."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.errors import DataError, StoreError
from tests.models.original_detr import build


def ezhoi(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "detr-r50-hicodet.pth"
    torch.save({"model_state_dict": build().state_dict() | {"stray": torch.zeros(1)}}, path)
    return path


def test_a_checkpoint_is_converted_and_told_key_by_key(tmp_path: Path, checkpoint: Path) -> None:
    told = ezhoi("detector", "convert", str(checkpoint), "--out", str(tmp_path / "model"), "--keys")
    assert "DETR, 2 + 2 layers of width 32, 10 queries, 81 class outputs" in told
    assert "173 keys renamed, 1 left out" in told and "left out: stray" in told
    assert "class_embed.weight [81, 32] -> class_labels_classifier.weight" in told
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["id2label"]["0"] == "person" and config["ezhoi"]["object_order"] == "coco80"


def test_the_object_order_is_the_users_word(checkpoint: Path) -> None:
    found = json.loads(ezhoi("detector", "convert", str(checkpoint), "--objects", "alphabetical", "--json"))
    assert found["labels"][0] == "airplane" and found["labels"][49] == "person"


def test_a_coco_head_has_cocos_numbers(tmp_path: Path) -> None:
    torch.save({"model": build(outputs=92).state_dict()}, tmp_path / "detr-r50-e632da11.pth")
    found = json.loads(ezhoi("detector", "convert", str(tmp_path / "detr-r50-e632da11.pth"), "--json"))
    assert (found["labels"][1], found["labels"][90], found["labels"][12]) == ("person", "toothbrush", "N/A 12")
    assert found["kind"] == "coco"


def test_what_cannot_be_converted_is_named(tmp_path: Path, checkpoint: Path) -> None:
    def refused(path: Path, message: str) -> None:
        with pytest.raises(DataError, match=message):
            ezhoi("detector", "convert", str(path))

    refused(tmp_path / "none.pth", r"none\.pth: no such file")
    (tmp_path / "text.pth").write_text("<html>quota exceeded</html>")
    refused(tmp_path / "text.pth", r"text\.pth: cannot be read as a PyTorch checkpoint")
    torch.save({"model": {"fc.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    refused(tmp_path / "other.pth", "holds no DETR")
    torch.save({"model": build(outputs=26).state_dict()}, tmp_path / "vcoco.pth")
    refused(tmp_path / "vcoco.pth", "class head has 26 outputs; known are 81")
    dc5 = tmp_path / "detr-r101-dc5-hicodet.pth"
    dc5.symlink_to(checkpoint)
    refused(dc5, "DC5 checkpoint")


def test_a_report_needs_cached_boxes(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="ezhoi run --target detections"):
        ezhoi("detector", "report", "--set", f"store.root={tmp_path}")


def test_cached_boxes_are_judged_at_any_threshold(tmp_path: Path) -> None:
    store = ["--set", f"store.root={tmp_path}", "--set", "device=cpu"]
    world = ["--set", "data.world.train_images=4", "--set", "data.world.test_images=6"]
    ezhoi("run", "--target", "detections", *store, *world)
    with pytest.raises(StoreError, match=r"no detections of this configuration .*data\.world\.train_images: 4 -> 1200"):
        ezhoi("detector", "report", *store)
    store += world
    told = ezhoi("detector", "report", *store)
    assert "annotated boxes with simulated errors; no detector was run" in told and "test: 6 images" in told
    strict = [*store, "--set", "pairing.score_threshold=0.99", "--set", "pairing.min_instances=1"]
    kept = [json.loads(ezhoi("detector", "report", "--json", *s))["pairs"] for s in (store, strict)]
    assert kept[0]["recall_of_all_boxes"] == kept[1]["recall_of_all_boxes"]
    assert kept[0]["recall_of_kept_boxes"] >= kept[1]["recall_of_kept_boxes"]
