"""`ezhoi data`: verdict first, JSON, exit codes, exports from the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.config import loading
from pipeline.engine import run

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real data at {SHARED}")


def ezhoi(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output + str(result.exception)
    return result.output


@needs_data
def test_check_says_the_verdict_first() -> None:
    said = ezhoi("data", "check", str(SHARED / "hico" / "instances_test2015.json.gz")).splitlines()
    assert said[0] == "complete: HICO-DET; UPT / EZ-HOI JSON (instances_*2015.json), objects in COCO-80 order"
    assert said[1].split() == ["test", "9,658", "of", "9,658", "images", "33,405", "of", "33,405", "pairs"]
    assert said[-1].endswith("nothing was changed")


def test_check_json_and_exit_code(tmp_path: Path) -> None:
    (tmp_path / "anno_bbox.mat").write_bytes(b"damaged")
    found = json.loads(ezhoi("data", "check", str(tmp_path), "--json", code=1))
    assert found["verdict"] == "unusable" and found["path"] == str(tmp_path)
    assert any("cannot be read as a MATLAB 5 file" in f["what"] for f in found["findings"])
    assert "unusable: no annotation that can be read" in ezhoi("data", "check", str(tmp_path), code=1)


def test_export_from_the_store(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("EZHOI__STORE__ROOT", str(tmp_path / "store"))
    settings = ["data.world.train_images=2", "data.world.test_images=2"]
    assert (
        CliRunner().invoke(app, ["data", "export", str(tmp_path / "out")]).exception.__class__.__name__ == "StoreError"
    )
    run.run(loading.load(overrides=settings), targets=("detections",))
    chosen = [word for setting in settings for word in ("--set", setting)]
    other = CliRunner().invoke(app, ["data", "export", str(tmp_path / "out")])
    assert "no annotations of this configuration (annotations: data.world.test_images: 2 -> 600" in str(other.exception)
    said = ezhoi("data", "export", str(tmp_path / "out"), "--format", "coco", *chosen)
    assert "instances_train.json: 2 images" in said and "boxes of detections/" in said
    assert len(json.loads((tmp_path / "out" / "instances_test.json").read_text())["images"]) == 2
    more = [*chosen, "--set", "detections.false_boxes=2"]
    said = ezhoi("data", "export", str(tmp_path / "alone"), "--format", "coco", *more)
    assert "annotations alone are written" in said and "boxes of detections/" not in said
