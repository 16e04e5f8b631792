"""The rules that all formats share, on small files whose answer is known, and what is written is read again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.datasets.own import annotated, write
from pipeline.datasets.own.groups import Shape, relations, words
from pipeline.datasets.own.placed import around
from pipeline.datasets.own.problems import Problems
from pipeline.datasets.own.raw import ALONE, Collected, Images
from pipeline.errors import DataError
from pipeline.vocabulary import file as vocabulary_file

WORDS = vocabulary_file.parse(
    {
        "format": vocabulary_file.FORMAT,
        "persons": ["person", "child"],
        "verbs": [{"name": "hug", "ing": "hugging"}, {"name": "sit_on", "ing": "sitting on"}],
        "objects": [{"name": "goose"}, {"name": "bench"}],
        "classes": "all",
    },
    origin="test",
)[0]


def label_studio(*results: dict[str, Any]) -> list[dict[str, Any]]:
    """An export of one picture of 200 x 100 pixels, with a box 10 % wide and 50 % high each 20 %."""
    labels = ("person", "child", "goose", "bench")
    boxes = [
        {
            "id": label,
            "type": "rectanglelabels",
            "original_width": 200,
            "original_height": 100,
            "value": {"x": 20 * i, "y": 10, "width": 10, "height": 50, "rotation": 0, "rectanglelabels": [label]},
        }
        for i, label in enumerate(labels)
    ]
    return [{"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"id": 1, "result": [*boxes, *results]}]}]


def relation(subject: str, thing: str, *verbs: str, direction: str = "right") -> dict[str, Any]:
    return {"type": "relation", "from_id": subject, "to_id": thing, "labels": list(verbs), "direction": direction}


def read(folder: Path, value: Any) -> annotated.Annotated:
    (folder / "export.json").write_text(json.dumps(value), encoding="utf-8")
    vocabulary_file.write(folder / "words.json", WORDS)
    return annotated.read(folder / "export.json", vocabulary=folder / "words.json")


def told(found: annotated.Annotated) -> set[tuple[int, str, int]]:
    """Subject, verb and object: positions of boxes, in the order person, child, goose, bench."""
    rows = found.rows.relations
    verbs = [found.vocabulary.verbs[v].name for v in rows["verb_id"]]
    return set(zip(rows["subject"].tolist(), verbs, rows["object"].tolist(), strict=True))


def test_who_acts(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        label_studio(
            relation("person", "child", "hug", direction="bi"),
            relation("goose", "person", "Hugging"),
            relation("bench", "child", "sit on", direction="left"),
            relation("child", "goose", "hug", direction="bi"),
        ),
    )
    assert told(found) == {(0, "hug", 1), (1, "hug", 0), (0, "hug", 2), (1, "sit_on", 3), (1, "hug", 2)}
    assert found.problems.count() == {"E": 0, "W": 1, "N": 0}
    assert found.rows.relations["turned"].tolist().count(True) == 1
    assert found.rows.boxes[["x1", "y1", "x2", "y2"]].iloc[1].tolist() == [40.0, 10.0, 60.0, 60.0]


def test_what_cannot_be_used_is_told_once(tmp_path: Path) -> None:
    export = label_studio(
        relation("person", "goose", "hug", "hug"),
        relation("goose", "bench", "hug"),
        relation("person", "bench", "set on"),
        relation("child", "nobody", "hug"),
    )
    found = read(tmp_path, export)
    assert told(found) == {(0, "hug", 2)}
    says = [str(problem) for problem in found.problems.of("E")]
    assert len(says) == 3 and any("set on is not in the vocabulary (sit on?)" in text for text in says)
    assert found.counts == {"images": 1, "boxes": 4, "interactions": 5}
    assert [problem.what for problem in found.problems.of("W")] == ["the same as task 1, relation person-goose"]


@pytest.mark.parametrize(("degrees", "boxes"), [(90, 3), (-90, 3), ("x", 3), (0, 4), (360, 4), (None, 4)])
def test_a_box_in_a_picture_that_was_turned_in_the_tool_is_not_taken(degrees: Any, boxes: int, tmp_path: Path) -> None:
    export = label_studio(relation("person", "goose", "hug"), relation("person", "child", "hug"))
    export[0]["annotations"][0]["result"][2]["image_rotation"] = degrees  # the goose's
    found = read(tmp_path, export)
    assert len(found.rows.boxes) == boxes
    said = [str(problem) for problem in found.problems.of("E")]
    assert any("region goose" in text and "was turned by" in text for text in said) == (boxes == 3)


@pytest.mark.parametrize(
    ("labels", "says"), [(["goose", "bench"], "has 2 labels, 'goose' and 'bench'"), ([], "no label")]
)
def test_a_box_with_several_labels_or_none_is_not_guessed_at(labels: list[str], says: str, tmp_path: Path) -> None:
    export = label_studio(relation("person", "goose", "hug"))
    export[0]["annotations"][0]["result"][2]["value"]["rectanglelabels"] = labels
    found = read(tmp_path, export)
    assert len(found.rows.boxes) == 3 and not told(found)
    assert any(says in str(problem) for problem in found.problems.of("E"))


def test_a_label_that_a_box_has_twice_is_one(tmp_path: Path) -> None:
    export = label_studio(relation("person", "goose", "hug"))
    before = read(tmp_path, export)
    export[0]["annotations"][0]["result"][2]["value"]["rectanglelabels"] *= 2
    found = read(tmp_path, export)
    assert (
        len(found.rows.boxes) == len(before.rows.boxes) and told(found) == told(before) and not found.problems.of("E")
    )


def coco_rel(boxes: list[list[float]], **more: Any) -> dict[str, Any]:
    """A file of one picture with these boxes, persons and geese in turn, each person hugging the next goose."""
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "goose"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1 + i % 2, "bbox": box, **more} for i, box in enumerate(boxes)
        ],
        "interactions": [
            {"image_id": 1, "subject": i, "object": i + 1, "verb": "hug"} for i in range(0, len(boxes), 2)
        ],
    }


@pytest.mark.parametrize("corners", [False, True])
def test_corners_in_the_place_of_width_and_height_are_doubted(corners: bool, tmp_path: Path) -> None:
    """They fit the picture, where boxes are small or far up and left: no single box is wrong to look at."""
    boxes = [[4.0 * i, 2 * i, 4 * i + 8, 2 * i + 9] if corners else [4.0 * i, 2 * i, 8, 9] for i in range(20)]
    found = read(tmp_path, coco_rel(boxes))
    said = [problem.what for problem in found.problems.of("W") if "as if bbox were [x1, y1, x2, y2]" in problem.what]
    assert len(said) == corners and not found.problems.of("E")


@pytest.mark.parametrize(
    ("size", "last", "doubted"),
    [((640, 480), 40.0, True), ((640, 480), 40.1, False), ((200, 200), 40.0, True), ((640, 199), 40.0, False)],
    ids=str,
)
def test_percent_in_the_place_of_pixels_are_doubted(
    size: tuple[int, int], last: float, doubted: bool, tmp_path: Path
) -> None:
    """They fit every picture that is larger than 100 pixels, in the corner where nobody put them."""
    value = coco_rel([[2.0 * i, i, 8, 9] for i in range(19)] + [[60, 60, last, 9]])
    value["images"][0] |= {"width": size[0], "height": size[1]}
    found = read(tmp_path, value)
    said = [str(problem) for problem in found.problems.of("W") if "percent instead of pixels?" in problem.what]
    assert len(said) == doubted and len(found.rows.boxes) == 20
    if doubted:
        assert said[0].startswith(
            "the whole file: none of the boxes reaches beyond 100, and 20 of them are in pictures"
        )


def test_boxes_of_crowds_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, coco_rel([[10, 10, 20, 30], [40, 10, 20, 30]], iscrowd=1))
    assert [problem.what for problem in found.problems.of("W")] == ["boxes of crowds (iscrowd): 2"]


def test_fractions_in_the_place_of_percent_are_an_error(tmp_path: Path) -> None:
    """In a large picture each would be some pixels in the upper left corner."""
    value = label_studio(relation("person", "child", "hug"))
    for result in value[0]["annotations"][0]["result"]:
        result |= {"original_width": 8000, "original_height": 4000} if "value" in result else {}
        if "value" in result:
            result["value"] |= {key: result["value"][key] / 100 for key in ("x", "y", "width", "height")}
    found = read(tmp_path, value)
    assert not len(found.rows.boxes)
    assert all("fractions instead of percent? Multiply them by 100" in str(one) for one in found.problems.of("E")[:4])


def test_verbs_where_nobody_reads_them_are_told(tmp_path: Path) -> None:
    vocabulary_file.write(tmp_path / "words.json", WORDS)
    box = '<box label="{}" xtl="{}" ytl="10" xbr="{}" ybr="60" group_id="1">{}</box>'
    attributes = '<attribute name="relation">hug; sleep</attribute><attribute name="pose">upright</attribute>'
    drawn = box.format("person", 10, 40, "") + box.format("goose", 60, 90, attributes)
    (tmp_path / "annotations.xml").write_text(
        f'<annotations><image id="0" name="a.jpg" width="200" height="100">{drawn}</image></annotations>'
    )
    found = annotated.read(tmp_path / "annotations.xml", vocabulary=tmp_path / "words.json")
    assert [str(one) for one in found.problems.of("N")] == [
        "a.jpg, goose: its attribute relation says hug; verbs are read from an attribute called verbs (not used)"
    ]
    flags = {"hug": True, "sit on": False, "blurred": True}
    labelme = {"shapes": [], "imagePath": "a.jpg", "imageWidth": 200, "imageHeight": 100, "flags": flags}
    (tmp_path / "labelme").mkdir()
    (tmp_path / "labelme" / "a.json").write_text(json.dumps(labelme))
    found = annotated.read(tmp_path / "labelme", vocabulary=tmp_path / "words.json")
    assert [str(one) for one in found.problems.of("N")] == [
        "a.json: flags of the picture as a whole say hug; verbs are flags of shapes (not used)"
    ]


def test_one_annotator_of_several(tmp_path: Path) -> None:
    export = label_studio(relation("person", "goose", "hug"))
    first = {**export[0]["annotations"][0], "completed_by": 1, "updated_at": "2026-01-01"}
    second = {**first, "id": 2, "completed_by": {"id": 2, "email": "b@x"}, "updated_at": "2026-01-02", "result": []}
    export[0]["annotations"] = [second, first]
    (tmp_path / "export.json").write_text(json.dumps(export))
    vocabulary_file.write(tmp_path / "words.json", WORDS)

    def pairs(annotator: str | None) -> int:
        words = tmp_path / "words.json"
        return len(annotated.read(tmp_path / "export.json", vocabulary=words, annotator=annotator).rows.relations)

    assert (pairs(None), pairs("1"), pairs("b@x")) == (0, 1, 0)


def test_a_turned_box_is_the_upright_one_around_it() -> None:
    assert around(10, 10, 20, 4, 90) == pytest.approx((6, 10, 10, 30))
    side = math.sqrt(2)
    assert around(0, 0, 2, 2, 45) == pytest.approx((-side, 0, side, 2 * side))


def test_verbs_on_boxes() -> None:
    """One person with five objects, two of which share a group with another person; a name that nobody has."""
    found, problems = Collected(Images()), Problems("f")
    image = found.images.add("a.jpg", 10, 10, where="a.jpg")

    def shape(box: int, said: str, *, group: int | None = None, person: bool = False, name: str = "") -> Shape:
        return Shape(box=box, person=person, group=group, name=name, words=words(said), where=f"box {box}")

    shapes = [
        shape(0, "", group=1, person=True, name="A"),
        shape(1, "wave", group=2, person=True, name="B"),
        *(shape(box, "hold@A", group=None) for box in (2, 3, 4)),
        shape(5, "push; pull", group=1),
        shape(6, "none", group=2),
        shape(7, "see@C; - , __undefined__", group=2),
    ]
    relations(shapes, image, found, problems)
    assert [row[1:4] for row in found.relations] == [
        *((0, box, "hold") for box in (2, 3, 4)),
        (0, 5, "push"),
        (0, 5, "pull"),
    ]
    assert [problem.what for problem in problems.found] == [
        "wave on the person, but 2 objects are in the group: put the verb on the object",
        "see@C: no person is named C",
    ]
    relations([shape(1, "wave", person=True)], image, found, problems)
    assert found.relations[-1][1:4] == (1, ALONE, "wave")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"images": [], "annotations": [], "info": {"contributor": "Label Studio"}}, "export JSON instead"),
        ({"images": [], "annotations": [{"attributes": {"verbs": "ride"}}]}, '"CVAT for images 1.1" instead'),
        ({"images": [], "annotations": []}, "boxes only: no interactions"),
        ({"images": [], "annotations": [], "rel_annotations": [], "info": {"schema": "coco-rel/2.0"}}, "later 1.x"),
        ({"images": [3], "annotations": [], "rel_annotations": []}, "images, entry 1 is 3"),
        ({"files": []}, "is no annotation that is known"),
    ],
)
def test_a_wrong_file_is_told_with_what_to_do(content: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        read(tmp_path, content)


def test_cvat_declares_no_document_type(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>')
    vocabulary_file.write(tmp_path / "words.json", WORDS)
    with pytest.raises(DataError, match="declares a document type"):
        annotated.read(tmp_path / "a.xml", vocabulary=tmp_path / "words.json")


@pytest.mark.parametrize(
    ("shape", "taken"),
    [
        ('<polygon label="goose" points="10,10;30,10;30,40"/>', True),
        ('<polygon label="goose" points="10,10;x,10;30,40"/>', False),
        ('<polygon label="goose" points="10,10;30;30,40"/>', False),
        ('<polygon label="goose" points="10,10;30,10,7;30,40"/>', False),
        ('<box label="goose" xtl="10" ytl="10" xbr="30" ybr="40" rotation="90"/>', True),
        ('<box label="goose" xtl="10" ytl="10" xbr="30" ybr="40" rotation="1e400"/>', False),
        ('<box label="goose" xtl="10" ytl="10" xbr="30" ybr="40" rotation="x"/>', False),
    ],
)
def test_a_shape_of_cvat_has_numbers_throughout(shape: str, taken: bool, tmp_path: Path) -> None:
    image = f'<image id="0" name="a.jpg" width="200" height="100">{shape}</image>'
    (tmp_path / "a.xml").write_text(f"<annotations>{image}</annotations>")
    vocabulary_file.write(tmp_path / "words.json", WORDS)
    found = annotated.read(tmp_path / "a.xml", vocabulary=tmp_path / "words.json")
    of_shape = [problem for problem in found.problems.of("E") if "goose" in problem.where]
    assert len(found.rows.boxes) == taken and len(of_shape) == (not taken)


corners = st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(2, 20), st.integers(2, 15))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.tuples(corners, st.integers(0, 2)), min_size=1, max_size=8), st.data())
def test_what_is_written_is_read_as_it_was(tmp_path: Path, drawn: list[Any], data: Any) -> None:
    drawn = [(drawn[0][0], 0), *drawn]
    boxes = pd.DataFrame(
        [(1, thing, x, y, x + w, y + h) for (x, y, w, h), thing in drawn],
        columns=["image_id", "object_id", "x1", "y1", "x2", "y2"],
    )
    persons = [i for i, (_, thing) in enumerate(drawn) if thing == 0]
    every = [(s, o, v) for s in persons for o in range(len(drawn)) if o != s for v in (0, 1)]
    chosen = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    relations = pd.DataFrame([(1, *row) for row in chosen], columns=["image_id", "subject", "object", "verb_id"])
    images = pd.DataFrame({"image_id": [1], "file_name": ["a.jpg"], "width": [64], "height": [48]})
    write.write(tmp_path / "own.json", write.value(images, boxes, relations, vocabulary=WORDS, about="x"))
    found = annotated.read(tmp_path / "own.json")
    assert not found.problems.found
    got = found.rows.relations[["subject", "object", "verb_id"]]
    assert {tuple(row) for row in got.to_numpy().tolist()} == set(chosen)
    assert found.rows.boxes[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == boxes.iloc[:, 2:].to_numpy().tolist()
