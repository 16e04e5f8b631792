"""Scenes: several people and objects in one picture with exact boxes, a pure function of their arguments."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from PIL import Image

from pipeline.datasets.world.classes import WorldClass, world_classes
from pipeline.datasets.world.drawing.paint import SUPERSAMPLING, Patch, paint, sensor, shrink
from pipeline.datasets.world.drawing.scenery import THEMES
from pipeline.datasets.world.drawing.shapes import Colour
from pipeline.datasets.world.drawing.styles import Style, style_named
from pipeline.datasets.world.layout import Canvas, Content, Slot, acted, contents, divide, place
from pipeline.datasets.world.seeds import generator, seed_of
from pipeline.datasets.world.themes import cast

Box: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 in continuous pixel coordinates, y down."""

WIDTH, HEIGHT = 256, 192
"""Every scene's size in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One annotated interaction: indices into the scene's humans and objects, and its HICO class."""

    human: int
    object: int
    hoi_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A sampled scene: its annotation and all that drawing it needs.

    Attributes:
        width, height: Size in pixels.
        humans: Tight boxes of all people, bystanders included, before occlusion and clipped to the image.
        objects: (COCO-80 index, tight box) of all objects, clutter included.
        pairs: The interactions; people and objects in no pair have none.
        theme: Name of the theme that the pairs share and the scenery shows.
        style: Name of the drawing style.
        patches: What to paint, back to front.
        sky, ground: Background colours.
        horizon: The row where the ground begins.
        noise_seed: Seed of the sensor noise.
    """

    width: int = WIDTH
    height: int = HEIGHT
    humans: tuple[Box, ...]
    objects: tuple[tuple[int, Box], ...]
    pairs: tuple[Pair, ...]
    theme: str
    style: str
    patches: tuple[Patch, ...] = field(repr=False)
    sky: Colour = (0, 0, 0)
    ground: Colour = (0, 0, 0)
    horizon: float = 0.0
    noise_seed: int = 0


def allowed_classes(classes: Collection[int] | None) -> tuple[WorldClass, ...]:
    """The world's classes among `classes` (all of them for None), sorted by hoi_id.

    Raises:
        ValueError: If `classes` is empty or names a class that the world cannot draw.
    """
    if classes is None:
        return world_classes()
    wanted = frozenset(classes)
    found = tuple(one for one in world_classes() if one.hoi_id in wanted)
    foreign = wanted - {one.hoi_id for one in found}
    if foreign or not found:
        what = f"hoi ids {sorted(foreign)[:5]} are not" if foreign else "an empty collection is not"
        raise ValueError(f"{what} among the rendered world's classes; see pipeline/datasets/world/classes.csv")
    return found


def sample(
    *,
    split: str,
    index: int,
    classes: Collection[int] | None = None,
    style: str = "outlined",
    max_pairs: int = 3,
) -> Scene:
    """The scene number `index` of `split`: the same arguments give the same scene in every process.

    Args:
        split: Any name; different splits have different scenes, and those of `test` and `validation` are balanced
            (`themes.py`).
        index: Number of the scene, from 0.
        classes: HICO ids of the only classes that may be depicted anywhere in the scene, None for all. Clutter
            objects are of these classes' objects only, and are not placed near people.
        style: A drawing style's name.
        max_pairs: At most this many interacting pairs, at least one.

    Raises:
        ValueError: If the style or a class is unknown, or a number is out of range.
    """
    look = style_named(style)
    allowed = allowed_classes(classes)
    if index < 0 or max_pairs < 1:
        raise ValueError(f"index must be >= 0 and max_pairs >= 1, not {index} and {max_pairs}")
    key = ("scene", split, index, ",".join(str(one.hoi_id) for one in allowed), style, max_pairs)
    rng = generator(*key)
    theme, chosen = cast(allowed, split=split, index=index, max_pairs=max_pairs, rng=rng)
    canvas = Canvas(width=WIDTH, height=HEIGHT, style=look, theme=theme, rng=rng)
    slots = divide(contents(chosen, allowed=allowed, canvas=canvas), canvas=canvas)
    return _assemble(slots, canvas=canvas, style=look, noise_seed=seed_of("noise", *key))


def single(*, hoi_id: int, index: int, style: str = "outlined") -> Scene:
    """A scene with one pair of the class `hoi_id` and nothing else, for sheets and tests.

    Raises:
        ValueError: If the class or the style is unknown.
    """
    (one,) = allowed_classes([hoi_id])
    look = style_named(style)
    rng = generator("single", hoi_id, index, style)
    canvas = Canvas(width=WIDTH, height=HEIGHT, style=look, theme=one.theme, rng=rng)
    slots = [Slot(left=4.0, right=WIDTH - 4.0, depth=0.6, content=acted(one, canvas=canvas))]
    return _assemble(slots, canvas=canvas, style=look, noise_seed=seed_of("noise", "single", hoi_id, index, style))


def _assemble(slots: list[Slot], *, canvas: Canvas, style: Style, noise_seed: int) -> Scene:
    placed = place(slots, canvas=canvas)
    return Scene(
        humans=tuple(placed.humans),
        objects=tuple(placed.objects),
        pairs=tuple(Pair(human=h, object=o, hoi_id=hoi) for h, o, hoi in placed.pairs),
        theme=canvas.theme,
        style=style.name,
        patches=tuple(placed.patches),
        sky=canvas.sky,
        ground=canvas.ground,
        horizon=canvas.horizon,
        noise_seed=noise_seed,
    )


def draw(scene: Scene) -> Image.Image:
    """The scene's picture: RGB, `scene.width` x `scene.height`."""
    size = (scene.width * SUPERSAMPLING, scene.height * SUPERSAMPLING)
    canvas = Image.new("RGB", size, scene.sky)
    canvas.paste(scene.ground, (0, round(scene.horizon * SUPERSAMPLING), *size))
    paint(scene.patches, canvas=canvas)
    return sensor(shrink(canvas), noise=style_named(scene.style).noise, seed=scene.noise_seed)


def object_picture(*, object_id: int, index: int, style: str = "outlined") -> Image.Image:
    """An object alone on a background, no person: RGB of a scene's size.

    Raises:
        ValueError: If the world has no such object or style.
    """
    names = {one.object_id: one.object for one in world_classes()}
    if object_id not in names:
        raise ValueError(f"object_id {object_id} is no object of the rendered world; it has {sorted(names)}")
    look = style_named(style)
    key = ("object", object_id, index, style)
    rng = generator(*key)
    canvas = Canvas(width=WIDTH, height=HEIGHT, style=look, theme=str(rng.choice(sorted(THEMES))), rng=rng)
    content = Content(clutter=(names[object_id], object_id))
    slot = Slot(left=24.0, right=WIDTH - 24.0, depth=0.6, content=content, alone=True)
    return draw(_assemble([slot], canvas=canvas, style=look, noise_seed=seed_of("noise", *key)))
