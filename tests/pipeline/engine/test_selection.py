"""Which artifact stands in for a stage: pinned, exact, newest that fits, or refused with a reason."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine import compatibility, graph, plan
from pipeline.engine.choice import Choice
from pipeline.engine.run import run
from pipeline.errors import EzhoiError, StoreError
from pipeline.store import lineage
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import NAME, InputRecord
from pipeline.store.store import Store
from pipeline.work.work import Work


def chosen(fake: Any, *settings: str, targets: tuple[str, ...] = ("utpl",), **asked: Any) -> dict[str, Choice]:
    config = fake.config(*settings)
    return plan.chosen(config, Store(config.store.root), targets=targets, **asked)


def test_what_the_configuration_asks_for_comes_first(fake: Any) -> None:
    made = run(fake.config())
    run(fake.config("seen.epochs=3"))
    found = chosen(fake, reuse=["seen"])["seen"]
    assert (found.artifact, found.how, found.differs) == (made["seen"].artifact, "exact", ())


def test_else_the_newest_that_fits_and_says_how_it_differs(fake: Any) -> None:
    run(fake.config("seen.epochs=3"), targets=("seen",))
    newest = run(fake.config("seen.epochs=4"), targets=("seen",))["seen"].artifact
    run(fake.config("seen.epochs=5", "setting=uo"), targets=("seen",))
    found = chosen(fake, reuse=["seen"])["seen"]
    assert (found.artifact, found.how, found.differs) == (newest, "newest", ("seen.epochs: 4 -> 12",))
    assert "the newest that fits" in str(found) and "seen.epochs: 4 -> 12" in str(found)


def dated(artifact: Artifact, made_at: str) -> None:
    """Date an artifact as a machine would that has another clock."""
    manifest = artifact.manifest.model_copy(update={"made_at": made_at}).sealed()
    (Path(artifact.place) / NAME).write_text(manifest.as_json())


def test_what_a_clock_that_was_ahead_made_is_not_the_newest(fake: Any) -> None:
    """Else it would be chosen for years. Where it is the only one, it is said."""
    ahead = run(fake.config("seen.epochs=3"), targets=("seen",))["seen"].artifact
    dated(ahead, "2099-01-01T00:00:00.000+00:00")
    right = run(fake.config("seen.epochs=4"), targets=("seen",))["seen"].artifact
    assert chosen(fake, reuse=["seen"])["seen"].artifact == right
    Store(fake.root).remove(right)
    found = chosen(fake, reuse=["seen"])["seen"]
    assert found.artifact.fingerprint == ahead.fingerprint
    assert "(made 2099-01-01T00:00, ahead of this machine's clock: others may be newer)" in str(found)


def test_a_changed_seen_description_trains_nothing(fake: Any) -> None:
    made = run(fake.config(), targets=("seen",))
    fake.executed()
    settings = ("descriptions.template=paper-describe-v1",)
    given = chosen(fake, *settings, reuse=["seen"])
    assert given["seen"].artifact == made["seen"].artifact
    outcomes = run(fake.config(*settings), targets=("utpl",), given=given)
    assert "seen" not in fake.executed() and outcomes["seen"].choice == given["seen"]
    assert outcomes["utpl"].artifact.manifest.inputs[0].fingerprint == made["seen"].artifact.fingerprint


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("setting=uo", "setting is rf_uc, not uo"),
        ("model.layers=2", "model.layers is 3, not 2"),
        ("seed=1", "seed is 0, not 1"),
        ("seen.tau=2.0", "seen.tau is 1.0, not 2.0"),
        ("data.world.train_images=7", "made from other annotations"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(fake: Any, setting: str, reason: str) -> None:
    run(fake.config(), targets=("seen",))
    with pytest.raises(EzhoiError, match=f"no seen artifact(?s:.*){reason}(?s:.*)--target seen"):
        chosen(fake, setting, reuse=["seen"])


def test_what_was_made_before_a_key_was_there_had_its_default(fake: Any) -> None:
    """Keys that came later: an artifact without them fits where they are as they were, and no longer where they are not."""
    made = run(fake.config(), targets=("seen",))["seen"].artifact.manifest
    recorded = {key: value for key, value in made.config.items() if key not in ("model.adapter", "model.patterns")}
    assert len(recorded) == len(made.config) - 2
    old = made.model_copy(update={"config": recorded})
    stage = graph.stage("seen")
    assert compatibility.conflicts(stage, old, fake.config()) == []
    assert compatibility.conflicts(stage, old, fake.config("model.adapter=locality", "model.patterns=10")) == [
        "model.adapter is instance, not locality",
        "model.patterns is 0, not 10",
    ]


@pytest.mark.parametrize(("made_with", "other"), [("block", "attention"), ("attention", "block")])
def test_a_later_key_fits_whichever_of_its_values_is_recorded(fake: Any, made_with: str, other: str) -> None:
    """Trainings with the block record nothing (`LATER`), whatever the default has become since."""
    made = run(fake.config(f"model.inter={made_with}"), targets=("seen",))["seen"].artifact.manifest
    assert ("model.inter" in made.config) == (made_with == "attention")
    stage = graph.stage("seen")
    assert compatibility.conflicts(stage, made, fake.config(f"model.inter={made_with}")) == []
    assert compatibility.conflicts(stage, made, fake.config(f"model.inter={other}")) == [
        f"model.inter is {made_with}, not {other}"
    ]


def test_other_weights_of_the_clip_do_not_fit(fake: Any) -> None:
    run(fake.config(), targets=("seen",))
    fake.weights.write_bytes(b"others")
    with pytest.raises(EzhoiError, match=r"the content of clip\.weights was another"):
        chosen(fake, reuse=["seen"])


def test_an_empty_store_has_nothing_that_fits(fake: Any) -> None:
    with pytest.raises(EzhoiError, match=r"no seen artifact .* The store has none of this stage"):
        chosen(fake, reuse=["seen"])


def test_a_damaged_one_is_passed_over(fake: Any) -> None:
    older = run(fake.config("seen.epochs=3"), targets=("seen",))["seen"].artifact
    newer = run(fake.config("seen.epochs=4"), targets=("seen",))["seen"].artifact
    newer.path("main.parquet").write_bytes(b"")
    assert chosen(fake, reuse=["seen"])["seen"].artifact == older
    with pytest.raises(StoreError, match="damaged"):
        chosen(fake, pins={"seen": newer.fingerprint})


def test_a_pin_is_used_whatever_is_newer_and_whatever_its_seed(fake: Any) -> None:
    old = run(fake.config("seed=4", "seen.epochs=3"), targets=("seen",))["seen"].artifact
    run(fake.config())
    found = chosen(fake, pins={"seen": old.fingerprint[:10]})["seen"]
    assert (found.artifact, found.how) == (old, "pinned") and "seed: 4 -> 0" in found.differs
    assert chosen(fake, pins={"seen": f"seen/{old.fingerprint}"})["seen"] == found


def test_pins_that_cannot_be(fake: Any) -> None:
    made = run(fake.config())
    other = run(fake.config("seen.epochs=3"))
    for pins, targets, reason in (
        ({"seen": "0000"}, ("utpl",), "no artifact"),
        ({"seen": f"utpl/{made['utpl'].artifact.fingerprint}"}, ("utpl",), "an artifact of stage utpl"),
        ({"seen": made["seen"].artifact.fingerprint}, ("descriptions",), "not needed for descriptions"),
        ({"sene": "0"}, ("utpl",), "no stage 'sene'"),
        (
            {"seen": made["seen"].artifact.fingerprint, "utpl": other["utpl"].artifact.fingerprint},
            ("evaluation",),
            "do not belong together",
        ),
    ):
        with pytest.raises(EzhoiError, match=reason):
            chosen(fake, targets=targets, pins=pins)
    with pytest.raises(EzhoiError, match="does not fit: setting is rf_uc, not uo"):
        chosen(fake, "setting=uo", pins={"seen": made["seen"].artifact.fingerprint})


def test_a_chosen_artifact_brings_the_checkpoint_it_was_made_from(fake: Any) -> None:
    old = run(fake.config("utpl.steps=3", "seen.epochs=3"))
    run(fake.config("seen.epochs=4"), targets=("seen",))
    pins = {"utpl": old["utpl"].artifact.fingerprint}
    given = chosen(fake, targets=("evaluation",), reuse=["seen"], pins=pins)
    assert (given["seen"].artifact, given["seen"].how) == (old["seen"].artifact, "recorded")
    Store(fake.root).remove(old["seen"].artifact)
    with pytest.raises(StoreError, match=r"was made from seen/.*no longer"):
        chosen(fake, targets=("evaluation",), reuse=["seen"], pins=pins)


def test_the_plan_shows_choices_forces_and_times(fake: Any) -> None:
    run(fake.config(), targets=("seen",))
    config = fake.config("descriptions.template=paper-describe-v1")
    store = Store(config.store.root)
    given = chosen(fake, "descriptions.template=paper-describe-v1", reuse=["seen"])
    found = {s.stage: s for s in plan.plan(config, store, targets=("utpl",), given=given, force=("detections",))}
    assert found["seen"].state == "fresh" and "newest that fits" in found["seen"].why[0]
    assert found["detections"].why == ("forced",) and found["detections"].runs
    assert found["detections"].seconds is not None and found["utpl"].seconds is None
    seconds, unknown = plan.remaining(list(found.values()))
    assert seconds > 0 and unknown == ["disparities", "pair_features", "utpl"]


# --- what a choice was made from -----------------------------------------------------------------------------------

BOTH = ("seen", "utpl")
REUSES = [BOTH, ("seen",), ("utpl",), ("pair_features",), ("seen", "pair_features", "utpl"), ("utpl", "disparities")]


def seen_of(artifact: Artifact, store: Store) -> set[str]:
    """Fingerprints of all `seen` artifacts that an artifact was made from, by its recorded inputs."""
    found = {artifact.fingerprint} if artifact.stage == "seen" else set()
    for record in artifact.manifest.inputs:
        source = store.get(record.stage, record.fingerprint)
        assert source is not None
        found |= seen_of(source, store)
    return found


@pytest.mark.parametrize("reuse", REUSES, ids="+".join)
@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("", r"the content of clip\.weights was another"),
        ("clip.architecture=ViT-B-32", r"clip\.architecture is tiny, not ViT-B-32"),
        ("model.prompts=5", r"model\.prompts is \d, not 5"),
        ("data.world.train_images=7", r"made from other annotations \(data\.world\.train_images: 1200 -> 7\)"),
    ],
)
def test_what_is_reused_fits_the_whole_run(fake: Any, reuse: tuple[str, ...], setting: str, reason: str) -> None:
    run(fake.config())
    assert set(chosen(fake, targets=("evaluation",), reuse=reuse)) >= set(reuse)
    if not setting:
        fake.weights.write_bytes(b"others")
    with pytest.raises(EzhoiError, match=f"(?s)artifact in .* fits.*{reason}"):
        chosen(fake, *[setting] * bool(setting), targets=("evaluation",), reuse=reuse)


@pytest.mark.parametrize(
    ("setting", "reuse", "reason"),
    [
        ("evaluation.memory=true", BOTH, "pairs.columns is not set, not .*human"),
        ("evaluation.memory=true", ("pair_features",), "pairs.columns is not set, not .*human"),
        ("model.head=regions", ("pair_features",), "pairs.drawn is not set, not True"),
        ("model.head=regions", ("text_embeddings",), r"descriptions/\w+, where model\.head is not set, not regions"),
        ("model.head=regions", ("descriptions",), r"model\.head is not set, not regions"),
    ],
)
def test_what_is_reused_has_what_other_stages_read(
    fake: Any, setting: str, reuse: tuple[str, ...], reason: str
) -> None:
    """Columns and texts that are made where something reads them alone: a key of the reader decides about them."""
    run(fake.config())
    with pytest.raises(EzhoiError, match=f"(?s)artifact in .* fits.*{reason}"):
        chosen(fake, setting, targets=("evaluation",), reuse=reuse)


@pytest.mark.parametrize("stage", ["image_embeddings", "pair_features", "detections"])
def test_other_data_is_found_through_the_whole_chain(fake: Any, stage: str) -> None:
    run(fake.config())
    with pytest.raises(EzhoiError, match=f"(?s)no {stage} artifact.*made from other annotations"):
        chosen(fake, "data.world.train_images=7", targets=("evaluation",), reuse=[stage])


def test_other_data_is_found_where_nothing_reads_it(fake: Any) -> None:
    run(fake.config())
    with pytest.raises(EzhoiError, match="made from other annotations"):
        chosen(fake, "data.world.train_images=7", targets=("utpl",), reuse=["utpl"])


def test_a_file_counts_as_its_fingerprint_does(fake: Any, tmp_path: Path) -> None:
    """Of a dataset's folder, only what the fingerprint of `data.root` covers: a note beside the annotation does not."""
    root = tmp_path / "hico"
    root.mkdir()
    (root / "anno_bbox.mat").write_bytes(b"boxes")
    (root / "notes.txt").write_text("one")
    settings = ("data.source=hico", f"data.root={root}")
    made = run(fake.config(*settings), targets=("annotations",))["annotations"].artifact
    (root / "notes.txt").write_text("two")
    config = fake.config(*settings)
    assert compatibility.conflicts(graph.stage("annotations"), made.manifest, config, own=True) == []
    assert compatibility.differences(graph.stage("annotations"), made.manifest, config) == ()
    (root / "anno_bbox.mat").write_bytes(b"others")
    assert compatibility.differences(graph.stage("annotations"), made.manifest, config) == (
        "content of data.root changed",
    )


def test_a_file_that_only_the_stage_reads_is_said(fake: Any, tmp_path: Path) -> None:
    edits = tmp_path / "edits.yaml"
    edits.write_text("one")
    run(fake.config(f"descriptions.edits={edits}"), targets=("utpl",))
    edits.write_text("two")
    found = chosen(fake, f"descriptions.edits={edits}", reuse=["descriptions"])["descriptions"]
    assert found.differs == ("content of descriptions.edits changed",) and "it differs" in str(found)


@pytest.mark.parametrize("how", ["reuse", "pin"])
@pytest.mark.parametrize("stage", ["utpl", "pair_features"])
def test_a_choice_never_meets_a_second_checkpoint(fake: Any, stage: str, how: str) -> None:
    old = run(fake.config("seen.epochs=3"))
    fake.executed()
    asked: dict[str, Any] = {"reuse": [stage]} if how == "reuse" else {"pins": {stage: old[stage].artifact.fingerprint}}
    given = chosen(fake, targets=("evaluation",), **asked)
    assert (given["seen"].artifact, given["seen"].how) == (old["seen"].artifact, "recorded")
    assert given["seen"].differs == ("seen.epochs: 3 -> 12",)
    outcomes = run(fake.config(), targets=("evaluation",), given=given)
    assert "seen" not in fake.executed()
    assert seen_of(outcomes["evaluation"].artifact, Store(fake.root)) == {old["seen"].artifact.fingerprint}


def test_the_deployment_evaluate_after_a_description_changed(fake: Any) -> None:
    """Everything is as the adapted model was made; that the new description plays no part is said."""
    old = run(fake.config())
    fake.executed()
    given = chosen(fake, "descriptions.template=paper-describe-v1", targets=("evaluation",), reuse=BOTH)
    said = "; ".join(map(str, given.values()))
    assert (
        given["utpl"].artifact == old["utpl"].artifact
        and "descriptions.template: " in said
        and "-> paper-describe-v1" in said
    )
    outcomes = run(fake.config("descriptions.template=paper-describe-v1"), targets=("evaluation",), given=given)
    assert outcomes["evaluation"].artifact == old["evaluation"].artifact and fake.executed() == []


def test_the_deployment_evaluate_as_usual(fake: Any) -> None:
    """After `full`, and after `utpl` with a setting that is left out this time."""
    run(fake.config())
    newer = run(fake.config("utpl.steps=7"))
    fake.executed()
    given = chosen(fake, "evaluation.tau=2.0", targets=("evaluation",), reuse=BOTH)
    assert (given["utpl"].how, given["seen"].artifact) == ("exact", newer["seen"].artifact)
    run(fake.config("evaluation.tau=2.0"), targets=("evaluation",), given=given)
    assert fake.executed() == ["predictions", "evaluation"]
    Store(fake.root).remove(given["utpl"].artifact)
    given = chosen(fake, "evaluation.tau=2.0", targets=("evaluation",), reuse=BOTH)
    assert (given["utpl"].artifact, given["utpl"].differs) == (newer["utpl"].artifact, ("utpl.steps: 7 -> 60",))


def test_predictions_without_the_untrained_baseline_do_not_serve_a_report_with_it(fake: Any) -> None:
    made = run(fake.config("evaluation.untrained=off"))["predictions"].artifact
    pins = {"predictions": made.fingerprint}
    with pytest.raises(EzhoiError, match=r"does not fit: evaluation\.untrained is off, not crops"):
        chosen(fake, targets=("evaluation",), pins=pins)
    assert set(chosen(fake, "evaluation.untrained=off", targets=("evaluation",), pins=pins)) >= {"predictions"}


def test_an_edit_of_an_unseen_class_leaves_the_checkpoint_as_it_is(fake: Any) -> None:
    """Texts of equal length are equal to the stand-ins: the checkpoint was made from the same content."""
    made = run(fake.config(), targets=("seen",))
    given = chosen(fake, "descriptions.template=describe-v2", reuse=["seen"])
    assert given["seen"].artifact == made["seen"].artifact and given["seen"].differs == ()


def test_other_texts_than_the_checkpoint_learned_under_are_said(fake: Any) -> None:
    made = run(fake.config(), targets=("seen",))
    texts = made["text_embeddings"].artifact.fingerprint[:12]
    found = chosen(fake, "descriptions.template=paper-describe-v1", reuse=["seen"])
    assert set(found) == {"seen"}
    assert found["seen"].differs == (f"made from text_embeddings/{texts}, this run has or makes another",)


@pytest.mark.parametrize("reuse", [("seen",), BOTH, ("pair_features",)], ids="+".join)
def test_boxes_that_the_configuration_asks_for_are_not_ignored(fake: Any, reuse: tuple[str, ...]) -> None:
    run(fake.config())
    with pytest.raises(EzhoiError, match=r"made from detections/\w+, where detections\.false_boxes is 0\.6, not 2\.0"):
        chosen(fake, "detections.false_boxes=2", targets=("evaluation",), reuse=reuse)


def test_a_pinned_checkpoint_brings_the_adapted_model_made_from_it(fake: Any) -> None:
    old = run(fake.config("seen.epochs=3"))
    run(fake.config("seen.epochs=4"))
    pins = {"seen": old["seen"].artifact.fingerprint}
    given = chosen(fake, targets=("evaluation",), reuse=BOTH, pins=pins)
    assert given["utpl"].artifact == old["utpl"].artifact
    Store(fake.root).remove(old["utpl"].artifact)
    with pytest.raises(EzhoiError, match=r"no utpl artifact(?s:.*)was made from seen/\w+, not from seen/\w+"):
        chosen(fake, targets=("evaluation",), reuse=BOTH, pins=pins)


def test_a_pin_of_another_seed_brings_its_boxes(fake: Any) -> None:
    old = run(fake.config("seed=4"))
    given = chosen(fake, targets=("evaluation",), pins={"seen": old["seen"].artifact.fingerprint})
    assert given["detections"].artifact == old["detections"].artifact and "seed: 4 -> 0" in str(given["detections"])


def test_what_a_choice_was_made_from_and_was_removed(fake: Any) -> None:
    old = run(fake.config("seen.epochs=3"))
    store = Store(fake.root)
    store.remove(old["seen"].artifact)
    with pytest.raises(EzhoiError, match=r"(?s)no utpl artifact.*was made from seen/\w+, which is no longer in"):
        chosen(fake, targets=("evaluation",), reuse=BOTH)
    run(fake.config("seen.epochs=4"))
    store.remove(run(fake.config("seen.epochs=4"))["image_embeddings"].artifact)
    given = chosen(fake, targets=("evaluation",), reuse=BOTH)
    assert "image_embeddings" not in given, "the run makes the same again"


def test_a_bound_artifact_that_is_damaged_is_not_used(fake: Any) -> None:
    made = run(fake.config("seen.epochs=3"))["seen"].artifact
    made.path("main.parquet").write_bytes(b"")
    with pytest.raises(EzhoiError, match=r"(?s)no utpl artifact.*seen/.*main\.parquet: damaged"):
        chosen(fake, targets=("evaluation",), reuse=["utpl"])


@pytest.mark.parametrize("force", ["seen", "pair_features", "utpl", "text_embeddings"])
def test_what_a_choice_was_made_from_cannot_be_forced(fake: Any, force: str) -> None:
    run(fake.config())
    with pytest.raises(EzhoiError, match=f"--force {force}( contradicts|, or)"):
        chosen(fake, targets=("evaluation",), reuse=["utpl"], force=[force])
    assert chosen(fake, targets=("evaluation",), reuse=["seen"], force=["utpl", "descriptions"])["seen"].how == "exact"


# --- one fingerprint, other content --------------------------------------------------------------------------------


def trained_again(fake: Any, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """The checkpoint after `--force seen`: the same fingerprint, and as on a GPU not the same numbers."""
    module = sys.modules["pipeline.stages.seen"]
    real = module.run

    def other(work: Work) -> dict[str, object]:
        metrics: dict[str, object] = real(work)
        (work.out / "model.safetensors").write_text("other numbers")
        return metrics

    with monkeypatch.context() as patch:
        patch.setattr(module, "run", other)
        return run(fake.config(), targets=("seen",), force=("seen",))["seen"].artifact


@pytest.mark.parametrize("how", ["reuse", "pin"])
def test_a_checkpoint_that_was_trained_again_is_another_one(
    fake: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The features of the first training and a model adapted from the second one do not belong together."""
    old = run(fake.config())
    new = trained_again(fake, monkeypatch)
    assert new.fingerprint == old["seen"].artifact.fingerprint and new.digest != old["seen"].artifact.digest
    features = old["pair_features"].artifact.fingerprint
    asked: dict[str, Any] = {"reuse": ["pair_features"]} if how == "reuse" else {"pins": {"pair_features": features}}
    with pytest.raises(EzhoiError, match=r"made from seen/\w+, which was made again since, with other content"):
        chosen(fake, targets=("evaluation",), **asked)


def test_what_was_made_from_the_first_training_alone_belongs_together(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = run(fake.config())
    trained_again(fake, monkeypatch)
    fake.executed()
    given = chosen(fake, targets=("evaluation",), reuse=["utpl"])
    assert given["pair_features"].artifact == old["pair_features"].artifact and "seen" not in given
    run(fake.config(), targets=("evaluation",), given=given)
    assert not {"seen", "utpl", "pair_features"} & {*fake.executed()}


def test_artifacts_that_claim_to_be_made_from_each_other_end(fake: Any) -> None:
    """Manifests of a bucket may say anything."""
    store = Store(fake.root)
    made = {stage: outcome.artifact for stage, outcome in run(fake.config()).items()}
    patched = InputRecord(stage="utpl", part=("*",), fingerprint=made["utpl"].fingerprint, digest=made["utpl"].digest)
    seen = made["seen"].manifest.model_copy(update={"inputs": (*made["seen"].manifest.inputs, patched)}).sealed()
    (fake.root / "seen" / seen.fingerprint / "manifest.json").write_text(seen.as_json())
    assert chosen(fake, targets=("evaluation",), reuse=["utpl"])["utpl"].artifact == made["utpl"]
    assert set(lineage.upstream(made["bundle"], store)) == set(graph.NAMES)
