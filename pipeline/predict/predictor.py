"""A trained model that looks at pictures: `Predictor.open(bundle)`, then `predictor(picture, boxes)`.

    predictor = Predictor.open("bundle.safetensors")
    found = predictor("kitchen.jpg", Boxes.of(predictor.vocabulary, [[10, 20, 200, 400], ...], [0.9, ...], ["person", ...]))
    for pair in found.pairs: ...
    records.table([found])                      # the rows as the evaluation reads them

It scores as the stage `predictions` does (`pipeline/predict/scorer.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from models import instances
from models.heads.kinds import REGIONS, Column
from models.hoi import HoiModel
from pipeline.boxes import pairs
from pipeline.boxes.instances import Found, sift
from pipeline.datasets.images import square
from pipeline.errors import DataError
from pipeline.learned.records import columns
from pipeline.learned.tokens import frozen
from pipeline.predict import bundle as bundles
from pipeline.predict import opening, records
from pipeline.predict.boxes import Boxes, Detector
from pipeline.predict.bundle import Bundle, Header
from pipeline.predict.defaults import THRESHOLD, TOP
from pipeline.predict.pictures import opened
from pipeline.predict.records import Picture
from pipeline.predict.scorer import Scorer
from pipeline.store.artifact import Artifact
from pipeline.vocabulary.vocabulary import Vocabulary

Source = Path | str | Image | NDArray[Any]
"""A picture: a file, one of Pillow's, or an array (`pipeline/predict/pictures.py`)."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A picture that is decoded and brought to the sizes that the towers want; what the costly part begins with."""

    name: str
    size: tuple[int, int]
    """Width and height in pixels, as a person sees it."""
    square: Tensor
    """(3, S, S) uint8, for the prompted tower."""
    whole: Tensor | None
    """(3, S, S), for the frozen tower; None where the model does not ask it."""
    boxes: Boxes | None
    picture: Image | None
    """The picture itself, where a detector has to look at it."""


class Predictor:
    """A model on one device. `prepare` may be called by any thread, `predict` by one at a time."""

    def __init__(
        self, header: Header, model: HoiModel, scorer: Scorer, objects: Tensor, detector: Detector | None
    ) -> None:
        self.header, self.detector = header, detector
        self._model, self._scorer, self._objects = model, scorer, objects
        self._preprocess = model.clip.preprocess()

    @classmethod
    def open(
        cls,
        bundle: Path | str | Artifact | Bundle,
        *,
        clip: Path | str | None = None,
        detector: Detector | None = None,
        device: str | torch.device = "cpu",
    ) -> Predictor:
        """A bundle's model with CLIP's weights.

        Args:
            bundle: a file, or the artifact of stage `bundle`.
            clip: file of CLIP's weights; needed where the bundle's were a file too, and refused if they are others.
            detector: finds the boxes of pictures that come without.

        Raises:
            DataError: the bundle or the weights cannot be read, or are not each other's.
        """
        if isinstance(bundle, Artifact):
            bundle = bundle.path(bundles.FILE)
        if not isinstance(bundle, Bundle):
            bundle = bundles.read(Path(bundle))
        model = opening.model(bundle, opening.clip(bundle.header.clip, file=clip, device=device))
        objects = bundle.tensors["objects"].to(model.clip.device)
        return cls(bundle.header, model, opening.scorer(bundle), objects, detector)

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes that it tells apart."""
        return self.header.classes

    def __call__(
        self,
        picture: Source,
        boxes: Boxes | None = None,
        *,
        name: str | None = None,
        top: int | None = TOP,
        threshold: float = THRESHOLD,
        only: Sequence[str] = (),
    ) -> Picture:
        """Who does what in a picture.

        Args:
            boxes: what a detector found in it; the predictor's own detector is asked if they are left out.
            name: what the record calls it; a file's name if left out.
            top: how many interactions to tell, the best; None tells all.
            threshold: least score of an interaction, in the units of `records`.
            only: names of the classes to tell ("ride horse"); all if empty.

        Raises:
            DataError: the picture cannot be read, a name is no class's, or there are neither boxes nor a detector.
        """
        return self.batch([picture], [boxes], names=[name], top=top, threshold=threshold, only=only)[0]

    def batch(
        self,
        pictures: Sequence[Source],
        boxes: Sequence[Boxes | None] | None = None,
        *,
        names: Sequence[str | None] | None = None,
        top: int | None = TOP,
        threshold: float = THRESHOLD,
        only: Sequence[str] = (),
    ) -> list[Picture]:
        """The same of several pictures in one pass; arguments as of a call, a list of each."""
        boxes = boxes if boxes is not None else [None] * len(pictures)
        names = names if names is not None else [None] * len(pictures)
        prepared = [self.prepare(*one) for one in zip(pictures, boxes, names, strict=True)]
        return self.predict(prepared, top=top, threshold=threshold, only=only)

    def prepare(self, picture: Source, boxes: Boxes | None = None, name: str | None = None) -> Prepared:
        """Decode a picture and bring it to the towers' sizes; DataError if it cannot be read, or nobody has boxes of it."""
        name = name or (str(picture) if isinstance(picture, str | Path) else "picture")
        if boxes is None and self.detector is None:
            raise DataError(f"{name}: has no boxes, and there is no detector that could find some")
        image = opened(picture, what=name)
        asked = self._model.sizes.parts.vlm_guidance or bool(set(self._reads) & set(REGIONS))
        return Prepared(
            name=name,
            size=image.size,
            square=square(image, self._model.clip.image_size),
            whole=self._preprocess(image) if asked else None,
            boxes=None if boxes is None else boxes.inside(image.size),
            picture=image if boxes is None else None,
        )

    @torch.no_grad()
    def predict(
        self,
        prepared: Sequence[Prepared],
        *,
        top: int | None = TOP,
        threshold: float = THRESHOLD,
        only: Sequence[str] = (),
    ) -> list[Picture]:
        """The records of prepared pictures, computed together; arguments as of a call."""
        if not prepared:
            return []
        classes = self.ids(only)
        boxes = self._boxes(prepared)
        found = [sift(_fractions(b, one.size), self.header.pairing) for b, one in zip(boxes, prepared, strict=True)]
        batch = instances.collate(found)
        table = pairs.columns(batch, range(len(prepared)), dict(enumerate(one.size for one in prepared)))
        image, human, thing = batch.pairs.unbind(dim=1)
        table["person_score"] = batch.scores[image, human].numpy()
        table["object_score"] = batch.scores[image, thing].numpy()
        computed = self._computed(prepared, batch)
        table |= computed
        scores = self._scorer.scores("adapted", table)
        told = []
        for place, one in enumerate(prepared):
            rows = table["image_id"] == place
            persons = int((found[place][2] == instances.PERSON).sum())
            told.append(
                records.picture(
                    one.name,
                    one.size,
                    {name: values[rows] for name, values in table.items() if name not in computed},
                    scores[rows],
                    self.vocabulary,
                    persons=persons,
                    things=len(found[place][2]) - persons,
                    left_out=boxes[place].left_out,
                    classes=classes,
                    top=top,
                    threshold=threshold,
                )
            )
        return told

    def ids(self, names: Sequence[str]) -> tuple[int, ...]:
        """Ids of the classes of those names, all if there are none; DataError with the nearest names for one that is none."""
        try:
            return tuple(self.vocabulary.find(name).hoi_id for name in names) or self.vocabulary.ids
        except ValueError as error:
            raise DataError(str(error)) from None

    def _boxes(self, prepared: Sequence[Prepared]) -> list[Boxes]:
        """Everybody's boxes; the detector looks at those that come without."""
        wanting = [one.picture for one in prepared if one.picture is not None]
        seen = iter(self.detector.detect(wanting) if wanting and self.detector is not None else ())
        return [one.boxes if one.boxes is not None else next(seen) for one in prepared]

    @property
    def _reads(self) -> tuple[Column, ...]:
        """What the head reads of the pairs, beside the fused feature."""
        return self._scorer.reads("adapted")

    def _computed(self, prepared: Sequence[Prepared], batch: instances.Instances) -> dict[str, NDArray[Any]]:
        """The fused features (P, d_a) of all pairs, and what else the head reads of them."""
        model, clip = self._model, self._model.clip
        pixels = model.normalise(torch.stack([one.square for one in prepared]).to(clip.device))
        whole = [one.whole for one in prepared if one.whole is not None]
        if whole:
            tokens = frozen(clip, torch.stack(whole), self.header.clip.tokens).float()
        else:
            tokens = pixels.new_zeros(len(prepared), 1, clip.joint_width)
        here = batch.to(clip.device)
        return {"feature": model.pairs(pixels, tokens, here, self._objects).cpu().numpy()} | columns(
            self._reads,
            found=here,
            sizes=[one.size for one in prepared],
            tokens=tokens,
            clip=clip,
            roi_size=model.sizes.roi_size,
        )


def _fractions(boxes: Boxes, size: tuple[int, int]) -> Found:
    """The boxes in fractions of the picture, with scores and object ids."""
    extent = torch.tensor([*size, *size], dtype=torch.float32)
    return torch.tensor(boxes.corners) / extent, torch.tensor(boxes.scores), torch.tensor(boxes.objects)
