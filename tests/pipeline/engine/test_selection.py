"""Which artifact stands in for a stage: pinned, exact, newest that fits, or refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.engine import plan
from pipeline.engine.run import run
from pipeline.engine.selection import Choice
from pipeline.errors import EzhoiError, StoreError
from pipeline.store.store import Store


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


def test_a_changed_seen_description_trains_nothing(fake: Any) -> None:
    made = run(fake.config(), targets=("seen",))
    fake.executed()
    settings = ("descriptions.template=another",)
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
    (newer.folder / "main.parquet").write_bytes(b"")
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
    config = fake.config("descriptions.template=another")
    store = Store(config.store.root)
    given = chosen(fake, "descriptions.template=another", reuse=["seen"])
    found = {s.stage: s for s in plan.plan(config, store, targets=("utpl",), given=given, force=("detections",))}
    assert found["seen"].state == "fresh" and "newest that fits" in found["seen"].why[0]
    assert found["detections"].why == ("forced",) and found["detections"].runs
    assert found["detections"].seconds is not None and found["utpl"].seconds is None
    seconds, unknown = plan.remaining(list(found.values()))
    assert seconds > 0 and unknown == ["disparities", "pair_features", "utpl"]
