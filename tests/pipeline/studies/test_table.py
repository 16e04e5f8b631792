"""The table of a study, by hand; that of the ablation is in test_ablation.py."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
from made_table import MORE, PLAIN, STUDY, evaluation, filled

from pipeline.store import runs
from pipeline.store.store import Store
from pipeline.studies.study import Study, Trial, Variant
from pipeline.studies.table import Table


def test_means_gains_and_noise() -> None:
    text = filled().as_markdown()
    spread = statistics.stdev([23.0, 25.0, 27.0])
    assert "# Study mine of profile demo" in text and "with `seen.batch_size=4`. Gains are over plain with" in text
    assert "| plain | 21.00 ± 1.00 | – | 50.00 ± 0.00 | – | 45.00 ± 0.00 | 3 |" in text
    assert f"| more \\| epochs | 25.00 ± {spread:.2f} | +4.00 ± 1.00 | 50.00 ± 0.00 | +0.00 ± 0.00 |" in text
    # 4 ± 4.302653 * 1 / sqrt(3)
    assert "| more \\| epochs | plain | unseen | +4.00 | [+1.52, +6.48] | [+1.50, +6.50] | better |" in text
    assert "| more \\| epochs | plain | seen | +0.00 | [+0.00, +0.00] | [+0.00, +0.00] | the same |" in text
    assert "not done" not in text and "failed" not in text


def test_the_same_in_every_form() -> None:
    table = filled()
    text = table.as_text()
    assert "study mine of profile demo, 6 of 6 runs; mAP in percent, gains over plain with the same seed" in text
    assert "more | epochs  plain  unseen  +4.00  [+1.52, +6.48]  [+1.50, +6.50]  better" in text
    rows = {(row["variant"], row["group"]): row for row in table.rows()}
    assert len(rows) == 6 and rows["plain", "unseen"]["over"] is None and rows["plain", "unseen"]["gain"] is None
    unseen = rows["more", "unseen"]
    assert (unseen["mean"], unseen["over"], unseen["gain"], unseen["gain_std"]) == (25.0, "plain", 4.0, 1.0)
    assert (unseen["images_low"], unseen["images_high"], unseen["verdict"]) == (1.5, 6.5, "better")
    last = table.as_json()["settings"]["uv"][1]
    assert last["gain"]["unseen"]["mean"] == 4.0 and last["runs"]["2"]["evaluation"] == "b2"


def test_without_the_baseline_there_are_no_gains() -> None:
    table = Table(STUDY.part(variants=["more"]))
    table.add(Trial(MORE, "uv", 0), evaluation("b0", unseen=20.0, seen=50.0, full=45.0))
    text = table.as_markdown()
    assert "Gains are over plain, which is not in this table: there are none." in text
    assert "| more \\| epochs | 20.00 | – | 50.00 | – | 45.00 | 1 |" in text and "over seeds |" not in text


def test_failures_and_gaps_are_told(tmp_path: Path) -> None:
    table = Table(STUDY)
    table.add(Trial(PLAIN, "uv", 0), evaluation("a0", unseen=20.0, seen=50.0, full=45.0))
    table.add(Trial(MORE, "uv", 1), evaluation("b1", unseen=20.0, seen=50.0, full=45.0))
    table.failed[Trial(MORE, "uv", 0)] = "row 7 | of [x](http://y)"
    text = table.as_markdown()
    assert "| more \\| epochs | 20.00 | – | 50.00 | – | 45.00 | 1 |" in text, "gains compare equal seeds only"
    assert "3 of 6 runs are not done yet." in text and "1 runs failed:" in text and "[x](" not in text
    page = Path(table.write(store := Store(tmp_path)))
    assert page.read_text() == text and runs.read(store) == ([], []), "the table passes for a run"
    again = Table(STUDY)
    again.remember(store)
    again.recall_failures()
    assert again.failed == table.failed
    again.add(Trial(MORE, "uv", 0), evaluation("b0", unseen=20.0, seen=50.0, full=45.0))
    assert again.failed == {}, "done since"


def test_intervals_are_taken_over_from_the_last_table(tmp_path: Path) -> None:
    store, table = Store(tmp_path), filled()
    table.write(store)
    later = Table(STUDY)
    later.remember(store)
    assert later.chance.known == table.chance.known
    (path,) = (tmp_path / ".runs").glob("*.json")
    for damaged in ("{", "[]", '{"intervals": {"a": {"b": [1]}}}', '{"intervals": 3, "failed": {}}'):
        path.write_text(damaged)
        fresh = Table(STUDY)
        fresh.remember(store)
        assert fresh.chance.known == {}


def test_a_table_that_was_edited_is_not_shown_as_the_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, table = Store(tmp_path), filled()
    table.failed[Trial(MORE, "uv", 0)] = "the disk is full"
    table.write(store)
    (path,) = (tmp_path / ".runs").glob("*.json")
    for was, now in (("1.5,", "2.5,"), ("the disk", "the dish"), ('"intervals"', '"gone": {}, "intervals"')):
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, now))
        later = Table(STUDY)
        later.remember(store)
        later.recall_failures()
        assert (later.chance.known, later.failed) == ({}, {}), now
        assert caplog.messages.pop() == (
            f"{path}: is not used, and its intervals are drawn again: it is not as it was written: it was damaged or edited"
        )
        path.write_text(text)


def test_a_table_of_an_earlier_version_is_read_which_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, table = Store(tmp_path), filled()
    table.write(store)
    (path,) = (tmp_path / ".runs").glob("*.json")
    tree = json.loads(path.read_text())
    del tree["digest"]
    path.write_text(json.dumps(tree))
    later = Table(STUDY)
    later.remember(store)
    assert later.chance.known == table.chance.known
    assert caplog.messages == [
        f"{path}: an earlier version wrote it without a digest, so nothing shows whether it was edited"
    ]


def test_before_utpl_there_are_no_draws_of_images() -> None:
    before = Variant("before", reading="before_utpl")
    table = Table(Study("mine", (before, PLAIN), ("uv",), (0,)))
    table.add(Trial(before, "uv", 0), evaluation("a", before_utpl_unseen=18.0, unseen=20.0))
    table.add(Trial(PLAIN, "uv", 0), evaluation("a", before_utpl_unseen=18.0, unseen=20.0))
    gain = table.gain(PLAIN, "uv", "unseen")
    assert gain is not None and (gain.mean, gain.images) == (2.0, None)
