from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.engine import changes
from pipeline.engine.changes import Changes
from pipeline.engine.run import Run, run
from pipeline.store import runs
from pipeline.store.store import Store


def between(
    fake: Any, *settings: str, deployment: str = "full", then: Any = None, force: tuple[str, ...] = ()
) -> Changes | None:
    """What changes from a run of `full` to one under other settings."""
    run(fake.config(), deployment="full")
    if then is not None:
        then(Store(fake.root))
    seen: list[Run] = []
    run(fake.config(*settings), deployment=deployment, on_end=seen.append, force=force)
    steps = seen[0]
    return changes.since(runs.relative(steps.store, steps.record), steps.artifacts, steps.store)


def test_nothing(fake: Any) -> None:
    found = between(fake)
    assert found is not None and found.stages == {} and found.previous.deployment == "full"


def test_whatever_deployment_made_it_another_setting_is_not_compared_with(fake: Any) -> None:
    assert between(fake, deployment="utpl") is not None
    assert between(fake, "setting=uv") is None


def test_keys_inputs_and_results(fake: Any) -> None:
    found = between(fake, "utpl.steps=7")
    assert found is not None and set(found.stages) == {"utpl", "predictions", "evaluation", "bundle"}
    assert found.stages["utpl"] == ("utpl.steps: 60 -> 7",)
    assert found.stages["evaluation"][0].startswith("input predictions changed")
    assert "mAP unseen: 14.25 -> 14.25 (+0.00)" in found.stages["evaluation"]


def test_a_change_that_comes_to_nothing_says_so(fake: Any) -> None:
    found = between(fake, "descriptions.template=describe-v1")
    assert found is not None and set(found.stages) == {"descriptions"}
    assert found.stages["descriptions"][-1].startswith("its content is the same")


def test_what_it_was_compared_with_may_be_gone(fake: Any) -> None:
    found = between(fake, "utpl.steps=7", then=lambda store: store.remove(store.find("utpl")))
    assert found is not None and "was removed since" in found.stages["utpl"][0]


def test_what_was_made_again_under_the_same_fingerprint_is_said(fake: Any) -> None:
    found = between(fake, force=("seen",))
    assert found is not None and set(found.stages) == {"seen"}
    assert found.stages["seen"][0].startswith("made again from the same inputs after that run")


def test_of_a_file_that_is_named_now_its_content_is_what_changed(fake: Any, tmp_path: Path) -> None:
    (tmp_path / "edits.yaml").write_text("hug horse: A person with both arms round a horse.\n")
    found = between(fake, f"descriptions.edits={tmp_path / 'edits.yaml'}")
    assert found is not None
    assert found.stages["descriptions"][0] == "content of descriptions.edits changed"
    assert not any("edits: None" in line for line in found.stages["descriptions"])
