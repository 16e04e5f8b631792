"""The page of annotations to look at: suspects first, everything drawn, nothing from outside a tag."""

from __future__ import annotations

import math
import re
from pathlib import Path

import own_samples
from own_samples import DATA, WORDS
from PIL import Image

from flows.pages import annotation_page
from pipeline.datasets.own import annotated, suspects
from pipeline.datasets.own.pictures import Pictures


def test_suspects_come_first_with_their_reasons(tmp_path: Path) -> None:
    own_samples.blank(tmp_path)
    export = DATA / "label-studio/good"
    found = annotated.read(export, vocabulary=WORDS, pictures=Pictures.under(tmp_path))
    odd = suspects.suspects(found)
    names = found.rows.images["file_name"].tolist()
    assert names[next(iter(odd))] == "garden/bed-02.jpg"
    assert "hold: drawn from the object to the person, and turned" in odd[1]
    assert "hold ladder: the only pair of its class" in odd[1]
    assert names.index("yard/empty-06.jpg") not in odd
    page = annotation_page.page(found, tmp_path, count=60)
    captions = re.findall(r"<figcaption><b>(.*?)</b>", page)
    assert captions[0] == "garden/bed-02.jpg" and captions[-1] == "yard/empty-06.jpg" and len(captions) == 6
    assert page.count('src="data:image/jpeg') == 6
    assert "5 of 6 pictures have something" in page and "from object to person" in page
    assert annotation_page.page(found, tmp_path, count=2).count("<figure>") == 2


def test_what_is_drawn_of_a_picture(tmp_path: Path) -> None:
    found = annotated.read(DATA / "coco-rel/good/interactions.json", vocabulary=WORDS)
    geese = annotation_page.picture(found, 3)
    assert (geese.persons, geese.things) == (2, 2)
    said = {(pair.verbs[0].verb, pair.label) for pair in geese.pairs}
    assert said == {("feed", "goose"), ("wave", "")}
    bike = annotation_page.picture(found, 2)
    assert [[verb.verb for verb in pair.verbs] for pair in bike.pairs] == [["ride", "hold"]]
    assert all(math.isnan(verb.score) for pair in bike.pairs for verb in pair.verbs)


def test_tiny_far_and_doubled_boxes_are_suspect(tmp_path: Path) -> None:
    own_samples.write_small(tmp_path / "own.json")
    text = (tmp_path / "own.json").read_text().replace("[2, 2, 20, 30]", "[54, 2, 5, 5]")
    (tmp_path / "own.json").write_text(text)
    found = annotated.read(tmp_path)
    assert suspects.suspects(found) == {
        0: ["a box of goose is 5.0 px narrow", "feed goose: the only pair of its class"]
    }
    text = text.replace("[54, 2, 5, 5]", "[1, 1, 20, 30]").replace('"category_id": 2', '"category_id": 1')
    (tmp_path / "own.json").write_text(text)
    assert suspects.suspects(annotated.read(tmp_path)) == {
        0: ["two boxes of person are nearly the same: drawn twice?", "feed person: the only pair of its class"]
    }


def test_texts_from_outside_are_texts(tmp_path: Path) -> None:
    own_samples.write_small(tmp_path / "own.json")
    evil = (tmp_path / "own.json").read_text().replace("yard.jpg", "<script>x</script>.jpg")
    (tmp_path / "own.json").write_text(evil)
    Image.new("RGB", (64, 48)).save(tmp_path / "other.png")
    page = annotation_page.page(annotated.read(tmp_path), tmp_path, count=3)
    assert "<script>x" not in page and "&lt;script&gt;" in page
