"""The page of runs side by side."""

from __future__ import annotations

import re

from flows.pages import side_by_side as pages
from pipeline.engine.causes import Causes
from pipeline.engine.verdict import Compared, Gain
from pipeline.store.runs import RunRecord
from pipeline.studies.side_by_side import Against, ClassRow, Column, Curve, SideBySide

EVIL = "</script><script>alert(1)</script>\u202e"


def found(**known: object) -> SideBySide:
    records = [RunRecord.asking("demo", setting="uv", seed=k, deployment=EVIL, state="completed") for k in (0, 1)]
    columns = tuple(Column(letter, record, None) for letter, record in zip("AB", records, strict=True))
    gains = {"unseen": Gain(20.0, 23.5, (1.0, 6.0)), "seen": Gain(30.0, 29.0, (-3.0, 1.0))}
    for column, metrics in zip(columns, ({"unseen": 20.0, "seen": 30.0}, {"unseen": 23.5, "seen": 29.0}), strict=True):
        column.record.metrics = metrics
    return SideBySide(
        columns=columns,
        against=(Against(columns[1], Compared(gains, draws=1000), Causes()),),
        asked={EVIL: (None, EVIL)},
        alike={"profile": EVIL},
        classes=(
            ClassRow(EVIL, True, (20.0, None), (None,)),
            ClassRow("hug cat", False, (1.0, 2.0), ((1.0, (0.5, 2.0)),)),
        ),
        curves={"seen": (Curve("A", (1.0, 2.0), (3.0, 1.0), 1), Curve("B", (1.0,), (0.0,), 1))},
    )


def test_the_page_is_one_file_and_texts_from_outside_stay_texts() -> None:
    page = pages.page(found())
    assert page.count("<script>") == 1 and "alert(1)</script>" not in page and "\u202e" not in page
    assert not re.search(r"""(?:href|src|action)=|url\(|@import""", page), "nothing is loaded"
    assert "default-src 'none'" in page and "prefers-color-scheme:dark" in page


def test_the_answer_comes_first_and_says_whether_it_is_chance() -> None:
    (said,) = pages.says(found())
    assert said == (
        "B has 23.50 % mAP on unseen classes, A 20.00 (+3.50), 95 % interval [+1.00, +6.00]: "
        "more than the choice of test images explains."
    )
    page = pages.page(found())
    assert page.index("B has 23.50") < page.index("<table>")
    assert re.search(r'class="good sure">\+3\.50</span> <span class="dim">\[\+1\.00, \+6\.00\]', page)
    assert re.search(r'class="">-1\.00</span>', page), "what may be chance is not coloured"


def test_both_runs_have_their_curve_and_their_mark() -> None:
    page = pages.page(found())
    assert page.count("<polyline") == 2 and "hug cat: 2.0" in page
