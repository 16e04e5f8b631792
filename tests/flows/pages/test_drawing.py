"""The graph as a picture: within a Prefect page, one mark a state, links only where they can be followed."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any
from xml.etree import ElementTree

from flows.pages import drawing
from pipeline.engine import graph
from pipeline.engine.execute import Outcome
from pipeline.engine.run import run

PREFECT_COLUMN = 690
"""Pixels that a Prefect page leaves to a picture."""


def test_the_graph_of_a_whole_run_fits_a_prefect_page_at_its_own_size(fake: Any) -> None:
    made: list[Outcome] = [*run(fake.config()).values()]
    picture = ElementTree.fromstring(drawing.svg(made))
    assert len(made) == len(graph.NAMES) and int(float(picture.attrib["width"])) <= PREFECT_COLUMN
    boxes = [(float(r.attrib["x"]), float(r.attrib["y"])) for r in picture.iter() if r.attrib.get("rx") == "6"]
    assert len(set(boxes)) == len(made), "no box lies on another"


def test_the_image_holds_fingerprints_and_its_words_tell_how_each_came(fake: Any) -> None:
    made = [*run(fake.config()).values()]
    image = drawing.image(made)
    found = re.fullmatch(r"!\[(.*)\]\(data:image/svg\+xml;base64,(.*)\)", image)
    assert found is not None and "utpl computed" in found[1]
    text = b64decode(found[2]).decode()
    assert all(o.artifact.fingerprint[:12] in text for o in made) and "<a " not in text
