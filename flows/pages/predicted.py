"""The page of predicted pictures in Prefect: drawn samples, what is in them, and where the rest lies."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from flows.pages.tables import table
from pipeline.outside.escaping import code, markdown

SAMPLES, WIDTH = 8, 360
"""How many drawn pictures the page has, and their width in pixels; few, since Prefect keeps every version of a page."""
MOST = 25
"""The most classes in the table, and the most pictures in the list of those that could not be read."""


def page(out: Path, faults: Mapping[str, str]) -> str:
    """The Markdown for a folder that `pipeline.predict.folder` has filled."""
    content = json.loads((out / "predictions.json").read_text(encoding="utf-8"))
    pictures: list[dict[str, Any]] = content["pictures"]
    counted = Counter(
        f"{said['verb']} {pair['label']}".replace("_", " ")
        for picture in pictures
        for pair in picture["pairs"]
        for said in pair["verbs"]
    )
    parts = [
        f"# {len(pictures)} pictures, {counted.total()} interactions",
        markdown(content["about"]["says"]),
        f"All of them, to filter and enlarge: {code(str(out / 'index.html'))}; rows: {code(str(out / 'predictions.parquet'))}",
    ]
    shown = [picture for picture in pictures if picture["pairs"]][:SAMPLES]
    parts += ["\n\n".join(_sample(out, picture) for picture in shown)] if shown else []
    if counted:
        rows = [[markdown(name), str(count)] for name, count in counted.most_common(MOST)]
        parts += ["## How often each class was found", table(["class", "interactions"], rows)]
    if faults:
        lines = [f"- {markdown(why)}" for why in list(faults.values())[:MOST]]
        parts += [f"## Not predicted: {len(faults)}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _sample(out: Path, picture: Mapping[str, Any]) -> str:
    """A drawn picture with its name, as an image in the page itself."""
    with Image.open(out / picture["drawn"]) as image:
        small = image.convert("RGB")
    small.thumbnail((WIDTH, 2 * WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    name = markdown(str(picture["name"]))
    return f"![{name}](data:image/jpeg;base64,{data})"
