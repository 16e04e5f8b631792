"""Pictures with their pairs drawn: what labels say, that they lie apart, and that any size and any box can be drawn."""

from __future__ import annotations

import pytest
from PIL import Image, ImageColor

from pipeline.predict.drawing import PERSON, SMALLEST, THING, apart, draw, label
from pipeline.predict.records import Box, Pair, Picture, VerbScore

RIDE = VerbScore("ride", 1, 0.8312)
SIT = VerbScore("sit_on", 2, 0.004)
IDLE = VerbScore("no_interaction", 3, 0.9, idle=True)


def pair(*verbs: VerbScore, person: Box = (10, 10, 40, 90), thing: Box = (30, 50, 90, 95)) -> Pair:
    return Pair(
        person=person, person_score=0.9, object=thing, object_score=0.8, label="dining_table", verbs=verbs or (RIDE,)
    )


def record(*pairs: Pair, size: tuple[int, int] = (100, 100)) -> Picture:
    return Picture(name="a.jpg", width=size[0], height=size[1], persons=1, things=1, pairs=pairs)


def test_a_label_says_verb_object_and_score_a_line_each() -> None:
    assert label(pair(RIDE, SIT)) == "ride dining table 0.83\nsit on dining table <0.01"


def test_a_label_counts_the_verbs_that_it_does_not_spell_out() -> None:
    assert label(pair(RIDE, RIDE, RIDE, SIT, SIT)).splitlines()[3:] == ["and 2 more"]


def test_the_idle_verb_is_told_only_where_it_is_asked_for() -> None:
    assert label(pair(IDLE)) == ""
    assert label(pair(IDLE, RIDE)) == "ride dining table 0.83"
    assert label(pair(IDLE), idle=True) == "no interaction dining table 0.90"


def test_a_pair_that_only_the_idle_verb_joins_leaves_the_picture_as_it_is() -> None:
    image = Image.new("RGB", (SMALLEST, SMALLEST), "#335577")
    assert draw(image, record(pair(IDLE))).tobytes() == image.tobytes()
    assert draw(image, record(pair(IDLE)), idle=True).tobytes() != image.tobytes()


def test_boxes_are_drawn_where_they_lie_in_their_colours() -> None:
    image = Image.new("RGB", (1000, 1000))
    drawn = draw(image, record(pair(person=(100, 100, 300, 900), thing=(600, 500, 900, 950)), size=image.size))
    assert drawn.getpixel((100, 200)) == ImageColor.getrgb(PERSON)
    assert drawn.getpixel((900, 940)) == ImageColor.getrgb(THING)
    assert drawn.getpixel((50, 50)) == (0, 0, 0)
    assert image.getextrema() == ((0, 0),) * 3, "the image itself stays as it was"


@pytest.mark.parametrize(
    ("size", "drawn"), [((1, 1), (640, 640)), ((64, 32), (640, 320)), ((1, 2000), (1, 1600)), ((900, 700), (900, 700))]
)
def test_small_pictures_are_enlarged_and_large_ones_shrunk(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    assert draw(Image.new("RGB", size), record(pair(person=whole, thing=whole), size=size)).size == drawn


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_a_picture_of_any_kind_becomes_rgb(mode: str) -> None:
    assert draw(Image.new(mode, (80, 60)), record(pair(), size=(80, 60))).mode == "RGB"


def test_boxes_beyond_the_edges_are_drawn_on_the_edges() -> None:
    away = pair(person=(-50, -50, -10, -10), thing=(90, 90, 500, 500))
    assert draw(Image.new("RGB", (100, 100)), record(away)).size == (SMALLEST, SMALLEST)


def test_labels_move_to_the_nearest_free_place() -> None:
    assert apart([(0, 0, 10, 4), (0, 1, 10, 5), (20, 0, 30, 4)], (100, 100)) == [
        (0, 0, 10, 4),
        (0, 4, 10, 8),
        (20, 0, 30, 4),
    ]


def test_labels_lie_inside_the_picture_and_apart() -> None:
    places = apart([(95, 95, 115, 105)] * 12, (100, 100))
    assert places[0] == (80, 90, 100, 100)
    assert all(x1 >= 0 and y1 >= 0 and x2 <= 100 and y2 <= 100 for x1, y1, x2, y2 in places)
    covered = [
        (a, b)
        for i, a in enumerate(places)
        for b in places[:i]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]
    assert not covered


def test_a_label_without_a_free_place_stays_inside() -> None:
    assert apart([(0, 0, 50, 50), (5, 5, 55, 55)], (50, 50)) == [(0, 0, 50, 50), (0, 0, 50, 50)]
