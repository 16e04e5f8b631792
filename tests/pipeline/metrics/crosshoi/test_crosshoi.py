"""Questions of four choices made here, answered and scored by hand."""

import json

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.metrics.crosshoi import questions
from pipeline.metrics.crosshoi.answers import Selection, answers
from pipeline.metrics.crosshoi.questions import choice
from pipeline.metrics.crosshoi.scores import scores
from pipeline.metrics.formats.named import Image

PERSON, OTHER, HORSE = [0, 0, 10, 20], [50, 0, 60, 20], [0, 10, 20, 30]
RIDE, FEED, WASH, HOLD = "ride a horse", "feed a horse", "wash a horse", "hold a horse"


def question(right, wrong=(), **boxes):
    return {"gt_choices": list(right), "wrong_choices": list(wrong)} | ({"boxes": boxes} if boxes else {})


def asked(tmp_path, content):
    (tmp_path / "q.json").write_text(json.dumps(content))
    return questions.read(tmp_path / "q.json")


def image(*rows):
    """Rows of (person, object, score, name)."""
    boxes = np.array([[*human, *thing] for human, thing, _, _ in rows], dtype=np.float64).reshape(len(rows), 8)
    return Image(boxes, np.array([row[2] for row in rows], dtype=np.float64), [row[3] for row in rows])


def given(tmp_path, entry, *rows, selection=None, choices="own"):
    """The verbs that are answered to each question of one image."""
    found = answers(
        asked(tmp_path, {"a.jpg": entry}), {"a.jpg": image(*rows)}, selection=selection or Selection(), choices=choices
    )
    return [[verb for verb, _ in answer] for _, answer in found]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ride a horse", ("ride", "horse")),
        ("no_interaction an airplane", ("no interaction", "airplane")),
        ("talk_on a cell_phone", ("talk on", "cell phone")),
        ("hugging", ("hugging", "person")),
    ],
)
def test_names(name, wanted):
    assert choice(name) == wanted


def test_a_row_answers_what_it_is_about(tmp_path):
    rows = [
        (PERSON, HORSE, 0.9, RIDE),
        (OTHER, HORSE, 0.8, FEED),
        (PERSON, OTHER, 0.7, WASH),
        (PERSON, HORSE, 0.6, "eat a cake"),
    ]
    right, wrong = (RIDE, FEED), (WASH, HOLD)
    assert given(tmp_path, question(right, wrong), *rows) == [["ride", "feed", "wash"]]
    assert given(tmp_path, question(right, wrong, human=PERSON), *rows) == [["ride", "wash"]]
    assert given(tmp_path, question(right, wrong, human=PERSON, object=HORSE, object_class="horse"), *rows) == [
        ["ride"]
    ]
    half = [0, 0, 10, 10]  # an overlap of exactly one half is not above it
    assert given(tmp_path, question(right, wrong, human=half), *rows) == [[]]


def test_the_object_is_that_of_the_first_right_choice(tmp_path):
    about = {"human": PERSON, "object": HORSE, "object_class": "dog"}
    row = (PERSON, HORSE, 0.9, RIDE)
    assert given(tmp_path, question([RIDE], [FEED], **about), row) == [["ride"]]
    assert given(tmp_path, question([], [RIDE], **about), row) == [[]]  # without one, it is as the question says


def test_which_rows_are_good_enough(tmp_path):
    names = [RIDE, FEED, WASH, HOLD, RIDE, FEED, WASH]
    rows = [(PERSON, HORSE, score, name) for score, name in zip([9, 8, 7, 6, 5, 5, 4], names, strict=True)]
    entry = question([RIDE, FEED], [WASH, HOLD])
    assert len(given(tmp_path, entry, *rows)[0]) == 6  # the fifth best score is 5, which two rows have
    assert len(given(tmp_path, entry, *rows, selection=Selection(rank=2))[0]) == 2
    assert len(given(tmp_path, entry, *rows, selection=Selection(threshold=6.5))[0]) == 3
    assert len(given(tmp_path, entry, *rows, selection=Selection(best=4))[0]) == 4
    # the rank is of the image's rows, whatever they are about
    others = [(OTHER, HORSE, 10 + n, "eat a cake") for n in range(5)]
    assert given(tmp_path, question([RIDE], human=PERSON), *others, *rows) == [[]]


def test_best_rows_are_counted_over_all_images(tmp_path):
    content = {f"{name}.jpg": question([RIDE], [FEED]) for name in "ab"}
    detected = {"a.jpg": image((PERSON, HORSE, 0.9, RIDE)), "b.jpg": image((PERSON, HORSE, 0.8, RIDE))}
    found = answers(asked(tmp_path, content), detected, selection=Selection(best=1), choices="own")
    assert [len(answer) for _, answer in found] == [1, 0]


def test_both_readings_of_the_choices_of_several_questions(tmp_path):
    entry = {"QA_0": question([RIDE], [WASH]), "QA_1": question([FEED], [HOLD])}
    rows = [(PERSON, HORSE, 0.9, RIDE), (PERSON, HORSE, 0.8, FEED)]
    assert given(tmp_path, entry, *rows, choices="own") == [["ride"], ["feed"]]
    assert given(tmp_path, entry, *rows, choices="original") == [["ride"], ["ride"]]


def test_scores_by_hand(tmp_path):
    content = {
        "a.jpg": question([RIDE, FEED], [WASH, HOLD]),  # ride twice, wash: tp 1, fp 1 of 2 right: F1 0.5
        "b.jpg": question([RIDE], [WASH, FEED, HOLD]),  # exactly right
        "c.jpg": question([], [RIDE, FEED, WASH, HOLD]),  # rightly without an answer
        "d.jpg": question([HOLD], [RIDE]),  # none
    }
    ride, wash = (PERSON, HORSE, 0.9, RIDE), (PERSON, HORSE, 0.8, WASH)
    detected = {"a.jpg": image(ride, ride, wash), "b.jpg": image(ride), "c.jpg": image(), "d.jpg": image()}
    found = scores(answers(asked(tmp_path, content), detected, selection=Selection(), choices="own"))
    assert (found["questions"], found["images"]) == (4, 4)
    assert found["instance_f1"] == pytest.approx(100 * (0.5 + 1 + 1 + 0) / 4)
    assert found["micro_f1"] == pytest.approx(100 * 2 * 2 / (2 + 1 + 4))  # tp 2, fp 1, right 4
    # ride: tp 2 of 2: 1; feed 0 of 1, hold 0 of 1, wash only wrong: 0
    assert found["macro_f1"] == pytest.approx(25)
    assert found["exact"] == found["exact_of_questions"] == 50  # b and c


def test_exact_match_is_over_images_or_over_questions(tmp_path):
    content = {"a.jpg": {"QA_0": question([RIDE], [FEED]), "QA_1": question([RIDE], [HOLD])}}
    found = scores(
        answers(
            asked(tmp_path, content), {"a.jpg": image((PERSON, HORSE, 0.9, RIDE))}, selection=Selection(), choices="own"
        )
    )
    assert (found["exact"], found["exact_of_questions"]) == (200, 100)
    assert scores([])["micro_f1"] is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "questions are a JSON object of images"),
        ({"a.jpg": {"gt_choices": [RIDE]}}, "image 'a.jpg': a question has gt_choices and wrong_choices"),
        ({"a.jpg": 3}, "image 'a.jpg': needs gt_choices and wrong_choices"),
        ({"a.jpg": question([RIDE], [RIDE])}, "'ride horse' is both right and wrong"),
        ({"a.jpg": question([RIDE], human=[1, 2, 3])}, "the human's box is four numbers"),
        ({"a.jpg": question([RIDE], human=[5, 0, 1, 9])}, "the human's box is four numbers"),
        ({"a.jpg": question([RIDE], object=HORSE)}, "an object's box comes with a person's"),
        ({"a.jpg": question([], [RIDE], human=PERSON, object=HORSE)}, "needs its object_class"),
        ({"a.jpg": question([3])}, "gt_choices is a list of names"),
    ],
)
def test_faults_name_the_image(tmp_path, content, says):
    with pytest.raises(DataError, match=says):
        asked(tmp_path, content)
