"""A sample of an artifact: a few texts, pictures with their boxes, or a curve, as Markdown for its lineage page.

It is drawn once from the artifact's own files and kept in `<store>/.samples/<fingerprint>.md`, so that a page of a cached stage
costs no drawing. It is small on purpose, since Prefect keeps every version of a page: pictures are JPEGs of some tens of kB.
"""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets import classes
from pipeline.errors import DataError, EzhoiError
from pipeline.outside.escaping import markdown, without_links
from pipeline.store.artifact import Artifact
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger("ezhoi.sample")
FORMAT = 2
"""The version of how samples are drawn; those of an earlier version are drawn again."""
PICTURES = 4
TEXTS = 6
HUMAN, THING = "#2563eb", "#dc2626"
CURVES = 4
"""How many curves of a training are shown."""


def sample(artifact: Artifact, inputs: Mapping[str, Artifact], *, root: Path, images: Path | None = None) -> str:
    """The artifact's sample as Markdown, '' if its stage has none; `root` is the store's folder, `images` the dataset's.

    A sample that cannot be drawn is left out with a warning: it decorates a page and must not end a run.
    """
    kept = root / ".samples" / f"{artifact.fingerprint}-{artifact.digest[:8]}-{FORMAT}.md"
    with contextlib.suppress(OSError):
        return kept.read_text(encoding="utf-8")
    try:
        text = _draw(artifact, inputs, images)
    except (OSError, DataError) as error:  # pictures on a disk that may be back next time, or mended
        log.warning("%s: its page has no sample: %s", artifact.stage, error)
        return ""
    except (EzhoiError, KeyError, ValueError) as error:
        log.warning("%s: its page has no sample: %s", artifact.stage, error)
        text = ""
    with contextlib.suppress(OSError):  # a store that cannot be written
        kept.parent.mkdir(exist_ok=True)
        temporary = kept.with_suffix(f".{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(kept)
    return text


def _draw(artifact: Artifact, inputs: Mapping[str, Artifact], images: Path | None) -> str:
    if artifact.stage == "annotations":
        return _annotated(artifact, _vocabulary(inputs["vocabulary"]), images)
    if artifact.stage == "detections":
        return _detected(artifact, inputs["annotations"], images)
    if artifact.stage in ("descriptions", "disparities"):
        return _texts(artifact, _vocabulary(inputs["vocabulary"]))
    if artifact.stage in ("seen", "utpl"):
        return _curves(artifact)
    if artifact.stage == "evaluation":
        return _report(artifact)
    return ""


def curve(columns: Mapping[str, Sequence[float]], *, title: str) -> str:
    """A picture of values by step as Markdown, with a line for each column."""
    from pipeline.report import svg

    return _embedded(svg.lines(columns, title=title).encode(), "image/svg+xml", title)


def _vocabulary(artifact: Artifact) -> Vocabulary:
    """The vocabulary that an artifact of that stage holds."""
    return classes.vocabulary(artifact)


def _curves(artifact: Artifact) -> str:
    history = artifact.table("history.parquet")
    losses = [n for n in history.columns if n not in ("step", "gradient_norm") and history[n].dtype.kind == "f"]
    shown = ["loss", *(n for n in losses if n != "loss")][:CURVES]
    return curve({n: history[n].tolist() for n in shown if n in history}, title="losses of every step")


def _texts(artifact: Artifact, vocabulary: Vocabulary) -> str:
    table = artifact.table(f"{artifact.stage}.parquet", ["hoi_id", "text"])
    chosen = table.iloc[:: max(1, len(table) // TEXTS)].head(TEXTS)
    names = {int(h): markdown(vocabulary.hoi(int(h)).name) for h in chosen["hoi_id"]}
    rows = [f"- **{names[int(r.hoi_id)]}**: {markdown(r.text)}" for r in chosen.itertuples()]  # type: ignore[arg-type]
    return "\n".join(rows)


def _annotated(artifact: Artifact, vocabulary: Vocabulary, images: Path | None) -> str:
    pairs = artifact.table("train-pairs.parquet")
    tiles = []
    for image_id, picture in _pictures(artifact, pairs["image_id"].drop_duplicates().head(PICTURES).tolist(), images):
        mine = pairs[pairs["image_id"] == image_id]
        boxes = [(HUMAN, [r[f"h{c}"] for c in ("x1", "y1", "x2", "y2")]) for _, r in mine.iterrows()]
        boxes += [(THING, [r[f"o{c}"] for c in ("x1", "y1", "x2", "y2")]) for _, r in mine.iterrows()]
        names = ", ".join(sorted({vocabulary.hoi(int(h)).name for h in mine["hoi_id"]})[:2])
        tiles.append(_boxed(picture, boxes, names))
    return _sheet(tiles, "annotated pairs: person blue, object red")


def _detected(artifact: Artifact, annotations: Artifact, images: Path | None) -> str:
    found = artifact.table("train.parquet")
    tiles = []
    ids = found["image_id"].drop_duplicates().head(PICTURES).tolist()
    for image_id, picture in _pictures(annotations, ids, images):
        mine = found[(found["image_id"] == image_id) & (found["score"] >= 0.2)]
        boxes = [
            (HUMAN if r["object_id"] == 0 else THING, [r[c] for c in ("x1", "y1", "x2", "y2")])
            for _, r in mine.iterrows()
        ]
        tiles.append(_boxed(picture, boxes, f"{len(mine)} boxes"))
    return _sheet(tiles, "detected boxes (score at least 0.2): person blue, object red")


def _report(artifact: Artifact) -> str:
    from PIL import Image

    parts = []
    for name, says in (("plots/means.svg", "mAP by group"), ("plots/before_and_after.svg", "AP of every class")):
        if name in artifact.names():
            parts.append(_embedded(artifact.path(name).read_bytes(), "image/svg+xml", says))
    for scenes in artifact.names("scenes.*"):  # PNG in evaluations of former versions
        with Image.open(artifact.path(scenes)) as picture:
            parts.append(_embedded(_jpeg(picture.convert("RGB"), 900), "image/jpeg", "predictions on test images"))
    if "report.md" in artifact.names():
        parts.append(within_a_page(artifact.path("report.md").read_text(encoding="utf-8")))
    return "\n\n".join(part for part in parts if part)


def within_a_page(report: str) -> str:
    """The tables of a report, for a page that has its own title, pictures and inputs; the list of classes is left out."""
    lines = report.split("\n## Classes")[0].splitlines()
    kept = [without_links(line) for line in lines if not line.startswith(("# ", "!["))]
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in kept).strip()


def _pictures(annotations: Artifact, ids: list[int], images: Path | None) -> list[tuple[int, Image.Image]]:
    """Some images of the training split, from the artifact where they were rendered, from disk otherwise."""
    import pyarrow.parquet as pq
    from PIL import Image

    from pipeline.datasets.images import Images

    found: dict[int, bytes] = {}
    for name in annotations.names("pixels-train-*"):
        shard = pq.read_table(annotations.path(name), filters=[("image_id", "in", ids)])
        found |= dict(zip(shard["image_id"].to_pylist(), shard["png"].to_pylist(), strict=True))
        if len(found) == len(ids):
            break
    if found:
        return [(i, Image.open(io.BytesIO(found[i])).convert("RGB")) for i in ids if i in found]
    files = Images(annotations, split="train", root=images)
    return [(i, files.open(i)) for i in ids]


def _boxed(picture: Image.Image, boxes: list[tuple[str, list[Any]]], label: str) -> Image.Image:
    from PIL import ImageDraw

    scale = 240 / max(picture.size)
    canvas = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    pen = ImageDraw.Draw(canvas)
    for colour, box in boxes:
        pen.rectangle([scale * float(v) for v in box], outline=colour, width=2)
    pen.rectangle(pen.textbbox((3, 3), label), fill="white")
    pen.text((3, 3), label, fill="#111111")
    return canvas


def _sheet(tiles: list[Image.Image], says: str) -> str:
    from PIL import Image

    if not tiles:
        return ""
    sheet = Image.new("RGB", (sum(t.width + 4 for t in tiles), max(t.height for t in tiles)), "white")
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, 0))
        left += tile.width + 4
    return _embedded(_jpeg(sheet, 980), "image/jpeg", says)


def _jpeg(picture: Image.Image, width: int) -> bytes:
    picture.thumbnail((width, width))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=78)
    return out.getvalue()


def _embedded(content: bytes, kind: str, says: str) -> str:
    return f"![{says}](data:{kind};base64,{base64.b64encode(content).decode()})\n\n*{says}*"
