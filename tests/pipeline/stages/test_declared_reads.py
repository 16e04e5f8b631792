"""Every key that a stage really reads is declared: its configuration is recorded while the real stage runs.

A key that a stage reads without saying so would leave an old artifact in place when the key changes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pydantic import BaseModel
from small_demo import small
from transformers import DetrImageProcessor

from pipeline.boxes import converted_detector
from pipeline.config.keys import covered
from pipeline.config.tree import Config
from pipeline.engine import graph, run
from pipeline.learned.build import frozen_clip
from pipeline.store.store import Store
from pipeline.work.work import Work
from tests.models.original_detr import build

HOW = ("device", "store", "data.root")
"""Keys that say where things lie or are computed. Of images, `annotations` has names and sizes, or the pixels."""
CLIP_OF_IMAGES = {"clip.image_size", "clip.mean", "clip.std", "clip.resize"}
"""What the loader of the frozen CLIP is told whatever it is loaded for: texts have no pixels ..."""
WITHOUT_EFFECT = {
    **dict.fromkeys(("text_embeddings", "disparities", "utpl"), CLIP_OF_IMAGES),
    # ... and an image that is squashed to a square anyway is not resized in another way.
    **{stage: {"clip.resize"} for stage in ("seen", "pair_features", "untrained")},
}
FOLLOWS = {
    "image_embeddings": {"images.precision"},
    "untrained": {"images.precision"},
    "pair_features": {"model.head", "evaluation.memory", "images.precision"},
    "descriptions": {"descriptions.template", "model.head"},
}
"""Keys that a stage reads for what follows from them, which is in its fingerprint: the columns that pairs have, whether the
lexicon words its descriptions in another way than its usual one, whether the head reads region concepts, and a precision, which
is declared where it is not the usual one."""
SMALLEST = (
    *("data.world.train_images=16", "data.world.test_images=8", "seen.epochs=1", "seen.batch_size=8", "utpl.steps=2"),
)


class Recorded:
    """A section of the configuration that notes the keys of the values that are taken from it."""

    def __init__(self, section: BaseModel, read: set[str], prefix: str = "") -> None:
        self._section, self._read, self._prefix = section, read, prefix

    def __getattr__(self, name: str) -> Any:
        kind, key = type(self._section), f"{self._prefix}{name}"
        if name not in kind.model_fields:
            return getattr(kind, name).fget(self)  # a property, which reads keys as everybody does
        value = getattr(self._section, name)
        if isinstance(value, BaseModel):
            return Recorded(value, self._read, f"{key}.")
        self._read.add(key)
        return value

    def model_copy(self, *, update: dict[str, Any]) -> Recorded:
        return Recorded(self._section.model_copy(update=update), self._read, self._prefix)

    def __reduce__(self) -> Any:
        raise TypeError("a recorded configuration stays in this process")


def undeclared(stage: str, config: Any, read: set[str]) -> set[str]:
    """Keys that a stage read and does not declare under the configuration."""
    known = {*graph.stage(stage).reads_under(config), *HOW, *WITHOUT_EFFECT.get(stage, ()), *FOLLOWS.get(stage, ())}
    return {key for key in read if ".runtime." not in key and not covered(key, known)}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    """{stage: the keys that its `run` and `compute` have read}, while the real stages run in this process."""
    found: dict[str, set[str]] = {name: set() for name in graph.NAMES}

    def recording(function: Callable[[Work], Any]) -> Callable[[Work], Any]:
        def recorder(work: Work) -> Any:
            if isinstance(work.config, Recorded):
                return function(work)
            return function(replace(work, config=Recorded(work.config, found[work.stage])))  # type: ignore[arg-type]

        return recorder

    for name in graph.NAMES:
        module = importlib.import_module(f"pipeline.stages.{name}")
        for function in ("run", "compute"):
            if hasattr(module, function):
                monkeypatch.setattr(module, function, recording(getattr(module, function)))
    yield found


def test_the_recorder_names_what_is_not_declared() -> None:
    config = small(Path("nowhere"))
    read: set[str] = set()
    seen: Any = Recorded(config, read)
    assert seen.descriptions.asks_model is False and seen.seen.runtime.accumulate == 1
    assert seen.model_copy(update={"seed": 5}).seed == 5 and seen.detections.jitter == config.detections.jitter
    assert read == {"descriptions.source", "seen.runtime.accumulate", "seed", "detections.jitter"}
    assert undeclared("detections", config, read) == {"descriptions.source"}
    assert undeclared("descriptions", config, read) == {"seed", "detections.jitter"}


def test_texts_have_no_pixels_and_squares_are_not_resized() -> None:
    """What `WITHOUT_EFFECT` says of the keys that every stage with a CLIP hands to its loader."""
    usual = frozen_clip(small(Path("nowhere")))
    other = frozen_clip(small(Path("nowhere"), "clip.resize=shortest", "clip.mean=[0, 0, 0]", "clip.std=[1, 1, 1]"))
    texts = ["a person riding a horse"]
    torch.testing.assert_close(usual.embed_texts(texts)[0], other.embed_texts(texts)[0], rtol=0, atol=0)
    resized = frozen_clip(small(Path("nowhere"), "clip.resize=shortest"))
    pixels = torch.arange(3 * 112 * 112).reshape(1, 3, 112, 112).to(torch.uint8)
    torch.testing.assert_close(usual.normalise(pixels), resized.normalise(pixels), rtol=0, atol=0)
    assert not torch.equal(usual.normalise(pixels), other.normalise(pixels))


VARIANTS = {
    "as it is": (),
    "regions, joint": ("evaluation.untrained=regions", "seen.joint=true", "descriptions.actions=true"),
    "a head and a row of the memory": ("model.head=memory", "evaluation.memory=true"),
    "released": ("model.preset=released", "evaluation.untrained=off", "detections.source=ground_truth"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def executed(config: Config, recorded: dict[str, set[str]], target: str = "bundle") -> set[str]:
    """The stages that a run executed, none of which read a key that it does not declare."""
    outcomes = run.run(config, targets=(target,))
    names = {name for name, outcome in outcomes.items() if not outcome.hit}
    assert all(recorded[name] for name in names), "a stage that read nothing was not recorded"
    assert {name: undeclared(name, config, recorded[name]) for name in names} == {name: set() for name in names}
    return names


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_stage_declares_what_it_reads(variant: str, store: Path, recorded: dict[str, set[str]]) -> None:
    names = executed(small(store, *SMALLEST, *VARIANTS[variant]), recorded)
    assert names >= {"pair_features", "utpl", "predictions", "evaluation"}


@pytest.mark.slow
def test_texts_of_files(store: Path, tmp_path: Path, recorded: dict[str, set[str]]) -> None:
    (tmp_path / "texts.csv").write_text("class,text\nride horse,A person sits high on a horse with both hands low.\n")
    (tmp_path / "edits.yaml").write_text("hug horse: A person leans on a horse with both arms about its neck.\n")
    made = Store(store).artifacts("disparities") or [
        run.run(small(store, *SMALLEST), targets=("disparities",))["disparities"].artifact
    ]
    pairs = made[-1].table("disparities.parquet")
    pd.DataFrame({"hoi_id": pairs["hoi_id"], "other_hoi_id": pairs["seen_hoi_id"], "text": pairs["text"]}).to_csv(
        tmp_path / "disparities.csv", index=False
    )
    settings = [
        *("descriptions.source=file", "descriptions.missing=lexicon", f"descriptions.file={tmp_path / 'texts.csv'}"),
        *(f"descriptions.edits={tmp_path / 'edits.yaml'}", "descriptions.tolerated=1"),
        *("disparities.source=file", f"disparities.file={tmp_path / 'disparities.csv'}"),
    ]
    names = executed(small(store, *SMALLEST, *settings), recorded, "disparities")
    assert names == {"descriptions", "text_embeddings", "disparities"}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_retries")
def test_texts_of_a_model(store: Path, language_server: Any, recorded: dict[str, set[str]]) -> None:
    settings = [
        *("descriptions.source=llm", "disparities.source=llm", "descriptions.actions=true"),
        *("descriptions.tolerated=1", "disparities.tolerated=1", "llm.model=tiny-describer"),
        f"llm.runtime.base_url={language_server.url}",
    ]
    names = executed(small(store, *SMALLEST, *settings), recorded, "disparities")
    assert names >= {"descriptions", "text_embeddings", "disparities"}


@pytest.mark.slow
def test_boxes_of_a_detector(store: Path, tmp_path: Path, recorded: dict[str, set[str]]) -> None:
    """It is run for all images, and in training again for what a step sees of them."""
    torch.save({"model_state_dict": build().state_dict()}, tmp_path / "detr.pth")
    converted, labels, notes = converted_detector.convert(tmp_path / "detr.pth", order="coco80")
    converted_detector.save(converted, tmp_path / "model", labels=labels, notes=notes)
    DetrImageProcessor(size={"shortest_edge": 48, "longest_edge": 80}).save_pretrained(tmp_path / "model")
    weights = f"detections.weights={tmp_path / 'model'}"
    config = small(store, *SMALLEST, "detections.source=hub", weights, "seen.augment.detector=online")
    assert executed(config, recorded, "seen") >= {"detections", "seen"}
    assert "detections.weights" in recorded["seen"] & recorded["detections"]


@pytest.mark.slow
def test_boxes_of_a_table(store: Path, tmp_path: Path, recorded: dict[str, set[str]]) -> None:
    config = small(store, *SMALLEST)
    made = run.run(config, targets=("annotations",))["annotations"].artifact
    boxes = pd.concat([made.table(name) for name in made.names("*objects.parquet")])
    boxes[["image_id", "object_id", "x1", "y1", "x2", "y2"]].assign(score=0.9).to_parquet(tmp_path / "boxes.parquet")
    settings = ("detections.source=parquet", f"detections.path={tmp_path / 'boxes.parquet'}")
    assert executed(small(store, *SMALLEST, *settings), recorded, "detections") >= {"detections"}
