"""Which builder draws which object, and in which of its forms."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pipeline.datasets.world.drawing import objects_animals as animals
from pipeline.datasets.world.drawing import objects_farm as farm
from pipeline.datasets.world.drawing import objects_home as home
from pipeline.datasets.world.drawing import objects_rides as rides
from pipeline.datasets.world.drawing import objects_small as small
from pipeline.datasets.world.drawing.styles import Ink
from pipeline.datasets.world.drawing.thing import Thing

Builder: TypeAlias = Callable[[Ink], Thing]

BUILDERS: Mapping[str, Builder] = {
    "horse": farm.horse, "cow": farm.cow, "sheep": farm.sheep, "dog": animals.dog, "cat": animals.cat,
    "elephant": animals.elephant, "giraffe": animals.giraffe, "zebra": farm.zebra, "bird": animals.bird,
    "bicycle": rides.bicycle, "motorcycle": rides.motorcycle, "skateboard": rides.skateboard,
    "surfboard": rides.surfboard, "snowboard": rides.snowboard, "skis": rides.skis, "boat": rides.boat,
    "car": rides.car, "chair": home.chair, "couch": home.couch, "bench": home.bench, "bed": home.bed,
    "suitcase": home.suitcase, "backpack": home.backpack, "handbag": home.handbag, "umbrella": home.umbrella,
    "tv": home.tv,
    "sports_ball": small.sports_ball, "frisbee": small.frisbee, "kite": small.kite, "bottle": small.bottle,
    "cup": small.cup, "book": small.book, "laptop": small.laptop, "cell_phone": small.cell_phone,
    "banana": small.banana, "apple": small.apple, "pizza": small.pizza, "cake": small.cake,
    "sandwich": small.sandwich, "teddy_bear": small.teddy_bear,
}  # fmt: skip
"""Every object's usual form."""

FORMS: Mapping[str, Mapping[str, Builder]] = {
    "book": {"read": small.open_book},
    "laptop": {"hold": small.closed_laptop},
    "umbrella": {"carry": home.closed_umbrella},
    "suitcase": {"drag": home.rolling_suitcase},
}
"""The forms of an object for verbs that need another than the usual one: a book is read open and held closed."""


def build(name: str, *, ink: Ink, verb: str = "") -> Thing:
    """The object `name`, in the form that `verb` asks for.

    Raises:
        ValueError: If no builder draws it.
    """
    if name not in BUILDERS:
        raise ValueError(
            f"the rendered world cannot draw {name!r}; add a builder to pipeline/datasets/world/drawing/catalogue.py"
        )
    return FORMS.get(name, {}).get(verb, BUILDERS[name])(ink)
