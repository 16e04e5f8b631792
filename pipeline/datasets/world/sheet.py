"""Contact sheets: many scenes in one picture, with boxes and class names, for people to look at."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from pipeline.datasets.world.classes import class_by_id
from pipeline.datasets.world.scenes import Scene, draw

_HUMAN, _OBJECT, _CAPTION = (40, 70, 255), (230, 20, 20), 12


def annotated(scene: Scene, *, boxes: bool = True) -> Image.Image:
    """The scene's picture with blue boxes of people in pairs, red ones of their objects, and a caption strip below."""
    picture = Image.new("RGB", (scene.width, scene.height + _CAPTION), (255, 255, 255))
    picture.paste(draw(scene), (0, 0))
    pen = ImageDraw.Draw(picture)
    if boxes:
        for pair in scene.pairs:
            pen.rectangle(scene.humans[pair.human], outline=_HUMAN)
            pen.rectangle(scene.objects[pair.object][1], outline=_OBJECT)
    names = [class_by_id(pair.hoi_id) for pair in scene.pairs]
    pen.text((2, scene.height), ", ".join(f"{one.verb} {one.object}" for one in names), fill=(0, 0, 0))
    return picture


def contact_sheet(scenes: Sequence[Scene], *, columns: int = 6, boxes: bool = True) -> Image.Image:
    """The scenes row by row, each annotated.

    Raises:
        ValueError: If there is no scene or no column.
    """
    if not scenes or columns < 1:
        raise ValueError(f"a contact sheet needs scenes and columns, not {len(scenes)} scenes in {columns} columns")
    cells = [annotated(scene, boxes=boxes) for scene in scenes]
    width, height = cells[0].size
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), (255, 255, 255))
    for k, cell in enumerate(cells):
        sheet.paste(cell, ((k % columns) * width, (k // columns) * height))
    return sheet
