"""A stage reads what its configuration gives it a reason to read, and no more: what a change of a key makes stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config.keys import covered, keys
from pipeline.config.packaged import PROMPTS, TINY_DETECTOR
from pipeline.config.tree import Config
from pipeline.engine import graph, plan
from pipeline.engine import stage as stage_module
from pipeline.engine.run import run
from pipeline.errors import EzhoiError
from pipeline.store.store import Store

LEXICON, FILE, MODEL = (f"descriptions.source={source}" for source in ("lexicon", "file", "llm"))
HUB, TRUTH, NOISE = (f"detections.source={source}" for source in ("hub", "ground_truth", "noisy_truth"))
OTHER_TEMPLATE = f"descriptions.action_template={PROMPTS / 'describe-v1.yaml'}"
OTHER_CONCEPTS = f"descriptions.concept_template={PROMPTS / 'action-v1.yaml'}"
ONLINE = "seen.augment.detector=online"


def stale(fake: Any, *settings: str) -> set[str]:
    """The stages that a plan would run for a reason of their own, not because they wait for another."""
    config = fake.config(*settings)
    found = plan.plan(config, Store(config.store.root))
    return {s.stage for s in found if any(not why.startswith("waits for") for why in s.why)}


@pytest.mark.parametrize(
    ("usual", "change", "concerned"),
    [
        ((NOISE,), "seed=1", {"detections", "seen", "utpl"}),
        ((TRUTH,), "seed=1", {"seen", "utpl"}),
        ((HUB,), "seed=1", {"seen", "utpl"}),
        ((NOISE,), "detections.jitter=0.2", {"detections"}),
        ((HUB,), "detections.jitter=0.2", set()),
        ((HUB,), "detections.miss=0.2", set()),
        ((TRUTH,), "detections.false_boxes=2", set()),
        ((HUB,), "detections.weights=mine/detr", {"detections"}),
        ((HUB,), "detections.revision=main", {"detections"}),
        ((HUB,), "detections.trained_on=COCO", {"detections"}),
        ((NOISE,), "detections.trained_on=COCO", set()),
        ((NOISE,), "detections.weights=mine/detr", set()),
        ((NOISE,), "detections.revision=main", set()),
        ((NOISE, ONLINE), "detections.weights=mine/detr", {"seen"}),
        ((HUB, ONLINE), "detections.revision=main", {"detections", "seen"}),
        ((), "data.world.evaluated=validation", {"annotations", "bundle"}),
        ((), "model.inter=block", {"seen", "pair_features", "utpl", "bundle"}),
        ((HUB,), "images.unreadable=skip", {"detections", "image_embeddings", "pair_features", "untrained"}),
        ((NOISE,), "images.unreadable=skip", {"image_embeddings", "pair_features", "untrained"}),
        ((LEXICON,), "llm.model=x", set()),
        ((LEXICON,), "llm.temperature=1", set()),
        ((LEXICON,), "descriptions.template=paper-describe-v1", set()),
        ((LEXICON,), "descriptions.template=describe-slots-v1", {"descriptions"}),
        ((FILE, "descriptions.missing=lexicon"), "descriptions.template=describe-slots-v1", {"descriptions"}),
        ((LEXICON,), "descriptions.missing=llm", set()),
        ((LEXICON,), "descriptions.tolerated=1", set()),
        ((MODEL,), "llm.model=x", {"descriptions"}),
        ((MODEL,), "descriptions.template=paper-describe-v1", {"descriptions"}),
        ((MODEL,), "descriptions.missing=llm", set()),
        ((MODEL,), OTHER_TEMPLATE, set()),
        ((MODEL, "descriptions.actions=true"), OTHER_TEMPLATE, {"descriptions"}),
        ((MODEL,), OTHER_CONCEPTS, set()),
        ((MODEL, "model.head=regions"), OTHER_CONCEPTS, {"descriptions"}),
        ((LEXICON, "model.head=regions"), OTHER_CONCEPTS, set()),
        (("model.head=regions",), "heads.regions.noise=0", {"utpl"}),
        (("model.head=lowrank",), "heads.regions.noise=0", set()),
        (("model.head=lowrank",), "heads.lowrank.rank=7", {"utpl"}),
        ((FILE,), "llm.model=x", set()),
        ((FILE,), "descriptions.pictures_per_class=2", set()),
        ((FILE, "descriptions.missing=llm"), "llm.model=x", {"descriptions"}),
        ((FILE, "descriptions.missing=lexicon"), "llm.seed=4", set()),
        ((LEXICON, "disparities.source=llm"), "llm.model=x", {"disparities"}),
        ((LEXICON, "disparities.source=file"), "disparities.template=contrast-v2", set()),
        ((LEXICON,), "disparities.template=contrast-v2", {"disparities"}),
        ((LEXICON,), "disparities.tolerated=1", set()),
        ((), "data.faults=skip", set()),
        ((), "images.precision=fp32", set()),
        ((), "images.precision=bf16", {"image_embeddings", "pair_features", "untrained"}),
        (("evaluation.untrained=regions",), "images.precision=tf32", {"image_embeddings", "pair_features"}),
        ((), "seen.precision=tf32", {"seen"}),
        ((), "clip.tokens=cls", {"image_embeddings", "bundle"}),
        ((), "model.head=memory", {"pair_features", "utpl", "predictions", "evaluation", "bundle"}),
        ((), "evaluation.memory=true", {"pair_features", "predictions"}),
        (("evaluation.memory=true",), "model.head=memory", {"utpl", "predictions", "evaluation", "bundle"}),
        (("model.head=memory",), "evaluation.memory=true", {"predictions"}),
        (("model.head=memory",), "heads.memory.pairs=4", {"utpl"}),
        (("evaluation.memory=true",), "heads.memory.pairs=4", {"predictions"}),
        ((), "heads.memory.pairs=4", set()),
        (("model.head=memory",), "utpl.steps=3", set()),
        (("model.head=memory",), "heads.steps=3", set()),
        (("evaluation.untrained=regions",), "clip.tokens=cls", {"image_embeddings", "untrained", "bundle"}),
    ],
)
def test_a_change_concerns_who_reads_the_key(
    fake: Any, usual: tuple[str, ...], change: str, concerned: set[str]
) -> None:
    run(fake.config(*usual))
    assert stale(fake, *usual) == set()
    assert stale(fake, *usual, change) == concerned


def test_three_seeds_share_the_boxes_of_a_detector(fake: Any) -> None:
    made = {run(fake.config(HUB, f"seed={seed}"))["detections"].artifact.fingerprint for seed in (0, 1, 2)}
    executed = fake.executed()
    assert len(made) == 1 and executed.count("detections") == 1 and executed.count("untrained") == 1
    assert executed.count("seen") == 3
    made = {run(fake.config(NOISE, f"seed={seed}"))["detections"].artifact.fingerprint for seed in (0, 1, 2)}
    assert len(made) == 3


def test_the_tiny_detector_and_the_tiny_clip_are_two(fake: Any) -> None:
    config = fake.config(HUB, "detections.weights=tiny", "clip.weights=tiny")
    detections, tokens = graph.stage("detections"), graph.stage("image_embeddings")
    assert detections.sources(config)["detections.weights"].path == TINY_DETECTOR
    assert detections.config_subset(config)["detections.weights"] == "tiny"
    assert list(tokens.sources(config)) == ["clip.weights"]


def test_the_content_of_a_file_counts_and_its_place_does_not(fake: Any, tmp_path: Path) -> None:
    """Also where a stage reads a whole section, with the path in it."""
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    one.write_bytes(b"imported")
    other.write_bytes(b"imported")
    run(fake.config(f"seen.weights={one}"))
    assert stale(fake, f"seen.weights={one}") == stale(fake, f"seen.weights={other}") == set()
    other.write_bytes(b"others")
    assert stale(fake, f"seen.weights={other}") == {"seen"}
    assert stale(fake) == {"seen"}


def test_a_folder_in_place_of_a_file_is_named(fake: Any, tmp_path: Path) -> None:
    with pytest.raises(EzhoiError, match=rf"descriptions\.edits = {tmp_path} is a folder; expected a file"):
        run(fake.config(f"descriptions.edits={tmp_path}"), targets=("descriptions",))
    with pytest.raises(EzhoiError, match=r"descriptions\.edits = .*nowhere\.yaml does not exist"):
        run(fake.config(f"descriptions.edits={tmp_path / 'nowhere.yaml'}"), targets=("descriptions",))


def test_a_texts_files_count_where_texts_come_from_them(fake: Any, tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    file.write_text("one")
    for source, concerned in ((FILE, {"descriptions"}), (LEXICON, set()), (MODEL, set())):
        settings = (source, f"descriptions.file={file}")
        run(fake.config(*settings))
        file.write_text(file.read_text() + " more")
        assert stale(fake, *settings) == concerned


def test_every_declared_key_exists_and_is_declared_once() -> None:
    known = {key.name for key in keys(Config)}
    for stage in graph.STAGES:
        parts = [(*part.reads, *part.names) for part in (stage, *stage.when)]
        for key in stage.declared():
            assert any(covered(name, [key]) for name in known), f"{stage.name} reads {key}, which is no key"
        always = [*stage.reads, *stage.names]
        assert len(always) == len(set(always))
        for part in parts[1:]:
            assert not set(part) & set(always), f"{stage.name} reads {part} in any case"


def test_what_no_detector_was_run_for_fits_any_detector(fake: Any) -> None:
    """A training without a detector of its own was made without the detector's name; with one, the name is a part of it."""
    run(fake.config())
    other = fake.config("detections.weights=mine/detr", "seen.epochs=3")
    found = plan.chosen(other, Store(fake.root), targets=("seen",), reuse=["seen"])
    assert found["seen"].how == "newest"
    run(fake.config(ONLINE, "seen.epochs=4"))
    Store(fake.root).remove(found["seen"].artifact)
    with pytest.raises(EzhoiError, match=r"detections\.weights is facebook/detr-resnet-50, not mine/detr"):
        plan.chosen(other, Store(fake.root), targets=("seen",), reuse=["seen"])


def test_fingerprints_know_nothing_of_validation_scenes_where_there_are_none(fake: Any) -> None:
    def world(*settings: str) -> Any:
        return graph.stage("annotations").config_subset(fake.config(*settings))["data.world"]

    assert world().keys() == {"train_images", "test_images", "style"}
    assert world("data.world.evaluated=validation")["evaluated"] == "validation"


def test_what_a_stage_is_knows_none_by_its_name() -> None:
    """What is special about a stage stands in its declaration."""
    source = Path(stage_module.__file__).read_text(encoding="utf-8")
    assert [name for name in graph.NAMES if f'"{name}"' in source] == []
