"""A real, small model: the predictor scores as the stage does, alone or in batches, by Python or by the command."""

import io
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_demo import small
from trained_demo import Trained
from typer.testing import CliRunner

from flows.cli.app import app
from models.heads.kinds import KINDS, HeadName
from models.sizes import Parts
from pipeline.engine.run import run
from pipeline.errors import DataError
from pipeline.predict import bundle as bundles
from pipeline.predict import many, records
from pipeline.predict.boxes import Boxes
from pipeline.predict.listing import Stamp
from pipeline.predict.predictor import Predictor

pytestmark = pytest.mark.slow
PHOTOGRAPHS = Path(__file__).parents[4] / "shared" / "data" / "images"
KEY = ["image_id", "hoi_id", "hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> Predictor:
    return Predictor.open(trained.bundle)


def rows(pictures: list[records.Picture]) -> pd.DataFrame:
    table = records.table(pictures)
    return table.assign(image_id=table["file_name"].str.removesuffix(".png").astype(int)).sort_values(KEY)


@pytest.mark.parametrize("head", [name for name in KINDS if name != "ezhoi"])
def test_every_head_runs_through_report_and_bundle_and_predicts_as_it_was_evaluated(
    trained: Trained, head: HeadName
) -> None:
    """On the seen checkpoint that is there: another head trains no prompts anew."""
    settings = ("evaluation.memory=true", "evaluation.untrained=off", "heads.steps=6", f"model.head={head}")
    outcomes = run(small(trained.folder / "store", *settings))
    assert outcomes["seen"].hit and not outcomes["utpl"].hit
    made = {stage: outcome.artifact for stage, outcome in outcomes.items()}
    assert "head.safetensors" in made["utpl"].names()
    names = set(made["evaluation"].manifest.metrics)
    assert (
        names >= {"full", "memory_full", "detector_only_full"} and made["evaluation"].manifest.metrics["head"] == head
    )
    read = Predictor.open(made["bundle"])
    assert read.header.head == head and read.header.format == 2
    predicts_as_evaluated(replace(trained, made=made), read, together=4)


@pytest.mark.parametrize("together", [1, 5])
def test_it_scores_as_the_stage_predictions(trained: Trained, predictor: Predictor, together: int) -> None:
    predicts_as_evaluated(trained, predictor, together)


def predicts_as_evaluated(trained: Trained, predictor: Predictor, together: int) -> None:
    wanted = trained.made["predictions"].table("predictions.parquet").sort_values(KEY)
    found = []
    for start in range(0, len(trained.images), together):
        some = trained.images[start : start + together]
        boxes = [trained.boxes(i) for i in some]
        names = [f"{i}.png" for i in some]
        found += predictor.batch(list(map(trained.picture, some)), boxes, names=names, top=None, threshold=0.0)
    table = rows(found)
    assert len(table) == len(wanted) > 100
    assert (table[KEY].to_numpy() == wanted[KEY].to_numpy()).all()
    np.testing.assert_allclose(table["score"], wanted["score"], atol=1e-6, rtol=0)


def test_a_path_an_image_and_an_array_are_one_picture(trained: Trained, predictor: Predictor) -> None:
    image_id = trained.images[0]
    boxes, path = trained.boxes(image_id), trained.picture(image_id)
    image = Image.open(path)
    found = [predictor(given, boxes, name="x") for given in (path, str(path), image, np.asarray(image.convert("RGB")))]
    assert found[0] == found[1] == found[2] == found[3] and found[0].persons > 0


def test_what_is_told_is_what_was_asked_for(trained: Trained, predictor: Predictor) -> None:
    image_id = next(
        i for i in trained.images if len(predictor(trained.picture(i), trained.boxes(i), threshold=0).pairs) > 1
    )
    picture, boxes = trained.picture(image_id), trained.boxes(image_id)
    whole = predictor(picture, boxes, top=None, threshold=0.0)
    scores = sorted((said.score for pair in whole.pairs for said in pair.verbs), reverse=True)
    best = predictor(picture, boxes, top=2, threshold=0.0)
    assert [said.score for pair in best.pairs for said in pair.verbs] == pytest.approx(scores[:2])
    assert not predictor(picture, boxes, threshold=scores[0] + 0.1).pairs
    said = whole.pairs[0].verbs[0]
    name = f"{said.verb} {whole.pairs[0].label}"
    only = predictor(picture, boxes, threshold=0.0, only=[name])
    assert {v.hoi_id for pair in only.pairs for v in pair.verbs} == {said.hoi_id}
    with pytest.raises(DataError, match="hug hors"):
        predictor(picture, boxes, only=["hug hors"])


def test_without_persons_or_objects_nothing_happens(trained: Trained, predictor: Predictor) -> None:
    picture, empty = trained.picture(trained.images[0]), Boxes.of(predictor.vocabulary, [], [], [])
    assert predictor(picture, empty).note == "no person was found"
    alone = Boxes.of(predictor.vocabulary, [[1, 1, 60, 80]], [0.9], ["person"])
    assert predictor(picture, alone).note == "one person was found and nothing to interact with"
    pixel = Boxes.of(predictor.vocabulary, [[0, 0, 1, 1]] * 2, [0.9, 0.9], ["person", "horse"])
    assert len(predictor(Image.new("L", (1, 1)), pixel, threshold=0.0).pairs) == 1, "a picture of one pixel is one"
    assert predictor.batch([]) == []
    with pytest.raises(DataError, match=r"has no boxes, and there is no detector"):
        predictor(picture)


def test_a_detector_is_asked_for_pictures_without_boxes(trained: Trained) -> None:
    asked: list[tuple[int, int]] = []

    class Looking:
        @property
        def identity(self) -> dict[str, Any]:
            return {"source": "test"}

        def detect(self, pictures: Sequence[Image.Image]) -> list[Boxes]:
            asked.extend(picture.size for picture in pictures)
            return [trained.boxes(trained.images[1])]

    own = Predictor.open(trained.bundle, detector=Looking())
    one, two = map(trained.picture, trained.images[:2])
    boxes = [trained.boxes(image_id) for image_id in trained.images[:2]]
    assert own.batch([one, two], [boxes[0], None], threshold=0.0) == own.batch([one, two], boxes, threshold=0.0)
    assert asked == [Image.open(two).size]


def test_another_clip_or_another_size_is_refused(trained: Trained, tmp_path: Path) -> None:
    whole = bundles.read(trained.bundle)
    clip = whole.header.clip.model_copy(update={"digest": "0" * 32})
    with pytest.raises(DataError, match="holds other weights of CLIP"):
        Predictor.open(replace(whole, header=whole.header.model_copy(update={"clip": clip})))
    elsewhere = whole.header.clip.model_copy(update={"kind": "file", "weights": "mine.pt"})
    with pytest.raises(DataError, match=r"a file called mine\.pt .*say where it is"):
        Predictor.open(replace(whole, header=whole.header.model_copy(update={"clip": elsewhere})))
    changes: list[dict[str, Any]] = [{"bottleneck": 1 << 40}, {"prompts": 1 << 40}, {"layers": 1 << 40}]
    for changed in [*changes, {"parts": Parts(inter_fusion=False)}]:
        sizes = replace(whole.header.sizes, **changed)
        with pytest.raises(DataError, match="weights do not fit the sizes in its header"):
            Predictor.open(replace(whole, header=whole.header.model_copy(update={"sizes": sizes})))
    assert Predictor.open(trained.made["bundle"]).header == whole.header, "an artifact is a bundle too"


def test_a_bundle_says_nothing_of_where_it_was_made(trained: Trained) -> None:
    assert str(trained.folder).encode() not in trained.bundle.read_bytes()
    told = bundles.read_header(trained.bundle).model_dump_json() + trained.made["bundle"].path(bundles.CARD).read_text()
    assert str(trained.folder) not in told
    assert not re.search(rf"\b{re.escape(trained.made['bundle'].manifest.host)}\b", told)


def command(trained: Trained, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["predict", *words, "--model", str(trained.bundle)])
    assert done.exit_code == code, f"{done.output}{done.exception!r}"
    return f"{done.output}{done.exception or ''}"


def test_the_command_goes_on_where_it_was(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(trained.folder / "pictures", pictures)
    words = [
        str(pictures),
        "--boxes",
        str(trained.folder / "boxes.parquet"),
        "--out",
        str(tmp_path / "out"),
        "--threshold",
        "0",
    ]
    drawn: list[str] = []
    real = many.Many._draw

    def draw(self: many.Many, picture: Any, *rest: Any) -> Stamp:
        drawn.append(picture.name)
        stamp = real(self, picture, *rest)
        if len(drawn) == 7:
            raise KeyboardInterrupt
        return stamp

    monkeypatch.setattr(many.Many, "_draw", draw)
    monkeypatch.setattr(many, "BATCH", 4)
    said = command(trained, *words, code=130)
    kept = json.loads((tmp_path / "out" / "predictions.json").read_text())["pictures"]
    assert "so far, in " in said and 0 < len(kept) < len(trained.images)
    monkeypatch.setattr(many.Many, "_draw", real)
    (pictures / "broken.jpg").write_text("no picture")
    said = command(trained, *words, code=1)
    assert f"{len(trained.images)} of {len(trained.images) + 1} pictures" in said
    assert "not predicted, 1 of the pictures:" in said and "broken.jpg: cannot be read as a picture" in said
    first = json.loads((tmp_path / "out" / "predictions.json").read_text())
    whole = command(trained, str(pictures / "*.png"), *words[1:4], str(tmp_path / "other"), *words[5:])
    assert f"{len(trained.images)} of {len(trained.images)} pictures" in whole
    again = json.loads((tmp_path / "other" / "predictions.json").read_text())
    assert again == first, "interrupted or not, the same"
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert set(table["file_name"]) <= {f"{i}.png" for i in trained.images} and len(table) > 50
    for picture in first["pictures"]:
        with Image.open(tmp_path / "out" / picture["drawn"]) as image:
            assert max(image.size) == 640


def test_without_boxes_the_projects_own_detector_looks_at_drawings(trained: Trained, tmp_path: Path) -> None:
    said = command(trained, str(trained.picture(trained.images[0])), "--out", str(tmp_path / "out"), "--threshold", "0")
    assert "the bundle was evaluated with other boxes" in said
    found = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert "'name': 'tiny'" in str(found) and "boxes: tiny, trained on rendered scenes" in str(found)
    assert found["pictures"][0]["persons"] >= 1


def test_what_the_command_refuses(trained: Trained, tmp_path: Path) -> None:
    picture = str(trained.picture(trained.images[0]))
    boxes = ["--boxes", str(trained.folder / "boxes.parquet"), "--out", str(tmp_path / "out")]
    for words, says in (
        ([str(tmp_path / "nowhere"), *boxes], "there is no such file or folder"),
        ([picture, *boxes, "--only", "ride hors"], "ride horse"),
        ([picture, *boxes, "--device", "tpu9"], "device 'tpu9' is none"),
        ([picture, *boxes, "--device", "meta"], "device 'meta' is none"),
        ([picture, *boxes, "--clip", picture], f"trained on CLIP tiny, which cannot be loaded from {picture}: "),
        ([picture, *boxes[2:], "--detector", "a\0b"], "--detector 'a\\x00b': a path has no NUL in it"),
        ([picture, *boxes[2:], "--detector", str(tmp_path)], f"--detector '{tmp_path}': Unrecognized model"),
    ):
        done = CliRunner().invoke(app, ["predict", *words, "--model", str(trained.bundle)])
        told = f"{done.output}{done.exception}"
        assert done.exit_code == 1 and says in told, words
        assert not any(key in told for key in ("clip.", "detections.", "of profile")), "the user typed no keys"
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason=f"no photographs at {PHOTOGRAPHS}")
def test_real_photographs(predictor: Predictor) -> None:
    """A model of drawings has no answer to them, but their sizes, modes and names are real."""
    boxes = Boxes.of(predictor.vocabulary, [[10, 10, 200, 300], [150, 100, 400, 300]], [0.9, 0.8], ["person", "horse"])
    files = sorted(path for path in PHOTOGRAPHS.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    assert len(files) >= 10
    found = [predictor(path, boxes, threshold=0.0) for path in files]
    assert found == [predictor(path, boxes, threshold=0.0) for path in files] and all(one.pairs for one in found)
    for path, one in zip(files, found, strict=True):
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            assert sorted(image.size) == sorted((one.width, one.height))


def test_the_model_does_not_change_by_being_asked(trained: Trained, predictor: Predictor) -> None:
    before = {name: value.clone() for name, value in predictor._model.state_dict().items()}
    predictor(trained.picture(trained.images[0]), trained.boxes(trained.images[0]))
    assert all(torch.equal(value, before[name]) for name, value in predictor._model.state_dict().items())
