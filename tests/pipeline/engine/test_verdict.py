"""What a run ends with: the difference, whether it is noise, and what was changed, followed to the root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.engine import causes, verdict
from pipeline.engine.run import Run, run
from pipeline.engine.verdict import Gain
from pipeline.metrics import comparison, evaluated
from pipeline.metrics.evaluation import Judged
from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.compare import Difference
from pipeline.store.store import Store
from pipeline.texts.comparison import Changed
from tests.conftest import manifest_of


def last(fake: Any, *settings: str) -> Run:
    """A run to its end."""
    ended: list[Run] = []
    run(fake.config(*settings), on_end=ended.append)
    return ended[0]


def test_causes_are_what_was_read_otherwise_and_not_that_an_input_changed(fake: Any) -> None:
    first, second = last(fake), last(fake, "seen.epochs=3", "disparities.template=contrast-v2")
    found = causes.of_runs(first.record.stages, second.record.stages, first.store)
    assert found.lines == ["disparities.template: contrast-v1 -> contrast-v2", "seen.epochs: 12 -> 3"]
    assert [cause.stage for cause in found.found] == ["disparities", "seen"]
    assert "annotations" not in found.changed and {"seen", "utpl"} <= set(found.changed)
    a, b = (steps.artifacts["evaluation"] for steps in (first, second))
    assert causes.of_artifacts(a, b, first.store).lines == found.lines, "from the results alone, down to the roots"


def test_a_key_that_several_stages_read_is_one_cause(fake: Any) -> None:
    first, second = last(fake), last(fake, "seed=3")
    found = causes.of_runs(first.record.stages, second.record.stages, first.store)
    assert found.lines == ["seed: 0 -> 3"] and [cause.stage for cause in found.found] == ["detections"]


def test_of_a_file_its_content_is_the_cause_and_not_that_it_was_named(fake: Any, tmp_path: Path) -> None:
    edits = tmp_path / "edits.yaml"
    edits.write_text("hug horse: A person with both arms round a horse.\n")
    first, second = last(fake), last(fake, f"descriptions.edits={edits}")
    found = causes.of_runs(first.record.stages, second.record.stages, first.store)
    assert [cause.difference.kind for cause in found.found] == ["source"]


def test_without_a_difference_nothing_is_the_cause(fake: Any) -> None:
    first, second = last(fake), last(fake)
    assert causes.of_runs(first.record.stages, second.record.stages, first.store).lines == [
        "nothing: both were made from the same things"
    ]


def test_what_was_removed_is_said(fake: Any) -> None:
    first, second = last(fake), last(fake, "utpl.steps=7")
    first.store.remove(first.artifacts["utpl"])
    found = causes.of_runs(first.record.stages, second.record.stages, first.store)
    assert found.lines == ["not known of utpl: an artifact was removed"]


def test_an_unseen_class_that_is_taught_from_another_seen_one_is_among_the_causes(
    tmp_path: Path, artifact: Any
) -> None:
    def made(name: str, partners: list[tuple[int, int, float]]) -> dict[str, Artifact | None]:
        table = pd.DataFrame(partners, columns=["hoi_id", "seen_hoi_id", "similarity"])
        named = pd.DataFrame({"hoi_id": [1, 2, 3, 4], "name": ["hug horse", "pet cat", "walk horse", "pet horse"]})
        return {
            "disparities": artifact(tmp_path / name / "d", "disparities", disparities=table),
            "descriptions": artifact(tmp_path / name / "t", "descriptions", descriptions=named),
        }

    old, new = made("old", [(1, 3, 0.995), (2, 4, 0.9)]), made("new", [(1, 4, 0.942), (2, 4, 0.8)])
    (move,) = causes.moves(old, new)
    assert str(move) == "hug horse: walk horse (0.995) -> pet horse (0.942)"
    assert causes.moves(old, old) == () and causes.moves(old, new | {"disparities": None}) == ()
    told = causes.Causes(moves=(move,) * 6).lines
    assert told == [f"nearest seen class of {move}"] * 4 + ["and of 2 more unseen classes"]


def test_texts_that_were_edited_are_put_down_to_the_edits_and_others_to_what_else_changed() -> None:
    def changed(name: str, source: str) -> Changed:
        return Changed(hoi_id=1, name=name, old="a", new="b", old_source="lexicon", new_source=source, similarity=None)

    edits, lexicon = (Difference("source", f"descriptions.{name}", "a", "b") for name in ("edits", "source"))
    texts = (changed("hug horse", "edit"), changed("pet cat", "lexicon"))
    by = [causes._texts_by(difference, (edits, lexicon), texts) for difference in (edits, lexicon)]
    assert by == [texts[:1], texts[1:]]
    assert causes._texts_by(lexicon, (lexicon,), texts) == texts
    assert causes._texts_by(Difference("code", "", "a", "b"), (edits,), texts) == ()


def test_other_code_of_several_stages_is_one_line() -> None:
    def code(stage: str) -> causes.Cause:
        return causes.Cause(stage, Difference("code", "", "0a", "1b", "git 12 -> 34"))

    few, many = causes.Causes((code("seen"), code("utpl"))), causes.Causes((code("seen"), code("utpl"), code("bundle")))
    assert few.lines == ["seen: code 0a -> 1b (git 12 -> 34)", "utpl: code 0a -> 1b (git 12 -> 34)"]
    assert many.lines == ["code of seen, utpl, bundle (git 12 -> 34)"]


def test_where_the_disparities_cannot_be_read_nothing_is_said_of_moves(fake: Any) -> None:
    first, second = last(fake), last(fake, "disparities.template=contrast-v2")
    assert first.artifacts["disparities"].digest != second.artifacts["disparities"].digest
    assert causes.of_runs(first.record.stages, second.record.stages, first.store).moves == ()


@pytest.mark.parametrize(
    ("gain", "said", "sure"),
    [
        (Gain(20.0, 23.5, (1.0, 6.0)), "20.00 -> 23.50, +3.50 [+1.00, +6.00]", True),
        (Gain(23.5, 20.0, (-6.0, -1.0)), "23.50 -> 20.00, -3.50 [-6.00, -1.00]", True),
        (Gain(20.0, 23.5, (-1.0, 6.0)), "20.00 -> 23.50, +3.50 [-1.00, +6.00], may be chance", False),
        (Gain(20.0, 20.0, (0.0, 0.0)), "20.00 in both, whatever images are drawn", False),
        (Gain(20.0, 23.5), "20.00 -> 23.50, +3.50", False),
    ],
)
def test_a_gain_in_words(gain: Gain, said: str, sure: bool) -> None:
    assert (str(gain), gain.sure) == (said, sure)


def evaluation(folder: Path, right: set[int], *, images: int = 40, setting: str = "uv") -> Artifact:
    """Two classes, a detection and an annotated pair of each in every image; class 1's are right in the images `right`."""
    folder.mkdir()
    image = np.repeat(np.arange(images), 2)
    hoi = np.tile([1, 2], images)
    order = np.lexsort((image, hoi))
    image, hoi = image[order], hoi[order]
    hit = (hoi == 2) | np.isin(image, sorted(right))
    score = np.linspace(1, 0.1, len(image))
    judged = Judged(
        row=np.arange(len(image)), image=image, hoi=hoi, score=score, hit=hit, truth_image=image, truth_hoi=hoi
    )
    evaluated.save(folder, judged)
    names = {1: "hug horse", 2: "ride horse"}
    classes = [
        {"hoi_id": h, "name": n, "unseen": h == 1, "rare": False, "test_pairs": images} for h, n in names.items()
    ]
    report = {
        "per_class": classes,
        "results": [{"switches": {"rule": "all_points"}}],
        "counts": {"images": images},
        "protocol": "official",
        "mode": "default",
        "setting": setting,
    }
    (folder / "report.json").write_text(json.dumps(report))
    ap = 100 * len(right) / images
    manifest = manifest_of(folder, "evaluation", folder.name)
    metrics = {"full": (ap + 100) / 2, "seen": 100.0, "unseen": ap, "losses": "none"}
    return Artifact(folder, manifest.model_copy(update={"metrics": metrics}))


def test_a_gain_in_every_image_is_none_of_chance_and_a_gain_in_one_is(tmp_path: Path) -> None:
    none, all_, most = set[int](), set(range(40)), set(range(39))
    found = verdict.compare(evaluation(tmp_path / "a", none), evaluation(tmp_path / "b", all_))
    assert found.gains["unseen"].sure and found.gains["unseen"].difference == 100.0
    assert found.gains["seen"].interval == (0.0, 0.0) and not found.gains["seen"].sure
    assert [row["name"] for row in found.classes] == ["hug horse"] and found.draws == comparison.DRAWS[1]
    small = verdict.compare(evaluation(tmp_path / "c", most), evaluation(tmp_path / "d", all_)).gains["unseen"]
    assert small.interval is not None and small.interval[0] <= 0 and not small.sure


def test_what_cannot_be_compared_has_numbers_and_a_reason(tmp_path: Path) -> None:
    one, other = evaluation(tmp_path / "a", {1}), evaluation(tmp_path / "b", {1, 2}, setting="uo")
    found = verdict.compare(one, other)
    assert "no comparison of both" in found.why_no_interval and found.draws == 0
    assert found.gains["unseen"] == Gain(2.5, 5.0)


def test_full_size_draws_less_often() -> None:
    assert [comparison.resamples_for(rows) for rows in (0, 1_000, 400_000, 8_000_000)] == [1000, 1000, 250, 100]


def test_a_run_is_compared_when_it_evaluated_or_is_told_to(fake: Any) -> None:
    first = last(fake)
    assert first.answer() == ["no earlier run of this profile and setting to compare with"]
    second = last(fake, "utpl.steps=7")
    found = second.verdict()
    assert found is not None and found.relative.id == first.record.id and second.verdict() is found
    assert second.answer() == found.lines == runs.find(second.store, second.record.id).answer
    again = last(fake, "utpl.steps=7")
    assert again.verdict() is None and "nothing from which the result is made has changed" in again.answer()[0]
    part: list[Run] = []
    run(fake.config(), targets=("seen",), on_end=part.append)
    assert part[0].answer() == [], "nothing was evaluated"


def test_a_record_says_what_was_asked_and_what_came_out(fake: Any) -> None:
    record = runs.records(last(fake, "utpl.steps=7", "seed=2").store)[-1]
    assert (record.setting, record.seed, record.status, record.protocol) == ("rf_uc", 2, "completed", "official")
    assert record.changed["utpl.steps"] == "7" and "seed" not in record.changed
    assert (
        record.metrics["unseen"] == 14.25 and record.seconds is not None and record.targets == ["evaluation", "bundle"]
    )


def test_what_a_failed_comparison_reads_is_the_stores(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = runs.new("demo", setting="uv", seed=0)
    record.stages = {"evaluation": "f00"}
    found = verdict.verdict(store, record, {"evaluation": "f01"})
    assert found.compared.why_no_interval == "the evaluation of one of the two was removed"
    assert found.compared.gains == {} and found.compared.classes == ()
