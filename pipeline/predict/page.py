"""The page of a folder of predictions: one HTML file that shows the drawings beside it, without a server or a request.

Its data are JSON with a line for each picture, so that it is written picture by picture; the browser makes the cards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from pipeline.predict.records import Picture

TEMPLATE = Path(__file__).with_name("page.html")
MARK = "/*PICTURES*/"
"""The place of the pictures in the template."""
ABOUT = "/*ABOUT*/"


def write(file: IO[str], about: Mapping[str, Any], pictures: Iterable[tuple[Picture, str]]) -> None:
    """Write the page of pictures, each with the place of its drawing beside the page."""
    before, after = TEMPLATE.read_text(encoding="utf-8").split(MARK)
    file.write(before.replace(ABOUT, _json(about)))
    for place, (picture, drawn) in enumerate(pictures):
        file.write((",\n" if place else "\n") + _json(_row(picture, drawn)))
    file.write(after)


def _row(picture: Picture, drawn: str) -> dict[str, Any]:
    """What the page needs of a picture: `pairs` are [object, [[verb, score, idle], ...]], the best first."""
    return {
        "name": picture.name,
        "drawn": quote(drawn),
        "size": [picture.width, picture.height],
        "note": picture.note,
        "left_out": dict(picture.left_out),
        "pairs": [
            [pair.label.replace("_", " "), [[v.verb.replace("_", " "), round(v.score, 4), v.idle] for v in pair.verbs]]
            for pair in picture.pairs
        ],
    }


def _json(value: Any) -> str:
    """JSON for a script element: no text in it ends the script or begins a comment."""
    return json.dumps(value).replace("<", "\\u003c")
