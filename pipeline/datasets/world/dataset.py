"""The rendered world as a dataset: its vocabulary, its settings, scenes as tables, and their pictures."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.dataset import BOXES, CORNERS, SPLITS, SplitTables
from pipeline.datasets.world import classes
from pipeline.vocabulary import file
from pipeline.vocabulary.settings import Settings
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from pipeline.config.data import World as WorldSection
    from pipeline.datasets.world.scenes import Scene

FILE = Path(__file__).with_name("vocabulary.json")
"""The world's vocabulary; its ids are HICO-DET's. `classes.csv` beside it says how often a class is drawn."""
_MOST_KEPT = 4000
"""How many scenes are kept between `tables` and `open`, 80 kB each; more are sampled again."""


class World:
    """Train images are numbered from 0, test images after them (see `pipeline.datasets.dataset.Dataset`).

    Its split `test` has the scenes to evaluate: those of `test` or, for choosing options, of `validation`, drawn alike.
    """

    drawn = True
    upright = False
    rare = None

    def __init__(self, section: WorldSection) -> None:
        self._section = section
        self._scenes: dict[int, Scene] = {}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The world's classes."""
        return file.read(FILE)

    @cached_property
    def settings(self) -> Settings:
        """Its settings, made as HICO-DET's are."""
        return {name: classes.unseen(name) for name in classes.SETTINGS}

    def tables(self, split: str) -> SplitTables:
        """The scenes of a split."""
        import pandas as pd

        images: list[tuple[Any, ...]] = []
        pairs: list[tuple[Any, ...]] = []
        boxes: list[tuple[Any, ...]] = []
        for image_id in self._ids(split):
            scene = self._scene(image_id)
            if len(self._scenes) < _MOST_KEPT:
                self._scenes[image_id] = scene
            name = f"{self._drawn_from(split)}/{image_id:06d}.png"
            images.append((image_id, name, scene.width, scene.height, len(scene.pairs), 0))
            pairs += self._pair_rows(image_id, scene)
            boxes += [(image_id, PERSON, *box) for box in scene.humans]
            boxes += [(image_id, object_id, *box) for object_id, box in scene.objects]
        table = pd.DataFrame(pairs, columns=["image_id", "hoi_id", "verb_id", "object_id", *BOXES])
        return SplitTables(
            images=pd.DataFrame(images, columns=["image_id", "file_name", "width", "height", "n_pairs", "file_bytes"]),
            pairs=table,
            boxes=pd.DataFrame(boxes, columns=["image_id", "object_id", *CORNERS]),
            presence=table[["image_id", "hoi_id", "object_id"]].drop_duplicates(ignore_index=True),
        )

    def open(self, image_id: int) -> Image:
        """The picture of a scene, drawn now."""
        from pipeline.datasets.world.scenes import draw

        kept = self._scenes.pop(image_id, None)
        return draw(kept if kept is not None else self._scene(image_id))

    def about(self) -> dict[str, Any]:
        """That no picture is a photograph, and which scenes are evaluated if not those for testing."""
        source = {"source": "rendered world: synthetic scenes, not photographs"}
        evaluated = self._section.evaluated
        return source if evaluated == "test" else source | {"evaluated": f"{evaluated} scenes"}

    def faults(self) -> pd.DataFrame | None:
        """None: pictures are drawn as they are annotated."""
        return None

    def _ids(self, split: str) -> range:
        first = 0 if split == SPLITS[0] else self._section.train_images
        return range(first, first + (self._section.train_images if first == 0 else self._section.test_images))

    def _scene(self, image_id: int) -> Scene:
        from pipeline.datasets.world.scenes import sample

        split = next(s for s in SPLITS if image_id in self._ids(s))
        index = image_id - self._ids(split).start
        return sample(split=self._drawn_from(split), index=index, style=self._section.style)

    def _drawn_from(self, split: str) -> str:
        """Name of the scenes' own split, on which every one of them depends."""
        return split if split == SPLITS[0] else self._section.evaluated

    def _pair_rows(self, image_id: int, scene: Scene) -> Iterable[tuple[Any, ...]]:
        for pair in scene.pairs:
            hoi = self.vocabulary.hoi(pair.hoi_id)
            human, thing = scene.humans[pair.human], scene.objects[pair.object][1]
            yield (image_id, hoi.hoi_id, hoi.verb_id, hoi.object_id, *human, *thing)
