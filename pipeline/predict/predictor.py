"""A trained model that looks at pictures: `Predictor.open(bundle)`, then `predictor(picture, boxes)`.

    predictor = Predictor.open("bundle.safetensors")
    found = predictor("kitchen.jpg", Boxes.of(predictor.vocabulary, [[10, 20, 200, 400], ...], [0.9, ...], ["person", ...]))
    for pair in found.pairs: ...
    records.table([found])                      # the rows as the evaluation reads them

It scores as the stage `predictions` does (`pipeline/predict/scorer.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from models import instances
from models.heads.kinds import REGION_COLUMNS, Column
from models.hoi import HoiModel
from models.transfer import stacked
from pipeline.boxes import pairs
from pipeline.boxes.instances import Found, sift
from pipeline.datasets.dataset import BOXES
from pipeline.datasets.images import square
from pipeline.errors import DataError
from pipeline.learned import crops as crops_of
from pipeline.learned.records import columns
from pipeline.learned.tokens import frozen
from pipeline.predict import adding, opening, records, remembering
from pipeline.predict import bundle as bundles
from pipeline.predict.adding import Adapting
from pipeline.predict.boxes import Boxes, Detector
from pipeline.predict.bundle import Bundle, Header, demand_phrases
from pipeline.predict.defaults import THRESHOLD, TOP
from pipeline.predict.examples import MOST, Example, counts
from pipeline.predict.pictures import opened
from pipeline.predict.prepared import Pairs, Prepared
from pipeline.predict.records import Picture
from pipeline.predict.remembered import CROPS, WEIGHT
from pipeline.predict.words import Words, of_bundle
from pipeline.store.artifact import Artifact
from pipeline.texts.describing import Described
from pipeline.vocabulary import file as vocabulary_file
from pipeline.vocabulary.vocabulary import Vocabulary

PictureLike = Path | str | Image | NDArray[Any]
"""A picture: a file, one of Pillow's, or an array (`pipeline/predict/pictures.py`)."""


class Predictor:
    """A model on one device. Any thread may call `prepare`, only one at a time `predict`."""

    def __init__(self, header: Header, model: HoiModel, words: Words, detector: Detector | None) -> None:
        self.header, self.words, self.detector = header, words, detector
        self._model = model
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
        """Open a bundle's model with CLIP's weights.

        Args:
            bundle: a file, or the artifact of stage `bundle`.
            clip: the file of CLIP's weights; needed if the bundle was trained with a file, and refused if it has others.
            detector: finds the boxes of pictures that come without boxes.

        Raises:
            DataError: the bundle or the weights cannot be read, or do not belong together.
        """
        if isinstance(bundle, Artifact):
            bundle = bundle.path(bundles.FILE)
        if not isinstance(bundle, Bundle):
            bundle = bundles.read(Path(bundle))
        model = opening.model(bundle, opening.clip(bundle.header.clip, file=clip, device=device))
        words = of_bundle(bundle)
        return cls(bundle.header, model, replace(words, objects=words.objects.to(model.clip.device)), detector)

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes of the predictor, including added ones."""
        return self.words.vocabulary

    def with_classes(
        self,
        vocabulary: Vocabulary | Path | str,
        texts: Mapping[str, str | Described] | None = None,
        *,
        adapting: Adapting | None = None,
    ) -> Predictor:
        """A predictor with more classes on the same model; this one stays unchanged.

        Args:
            vocabulary: a file of words and classes to add (`pipeline.vocabulary.file.extended`), or this predictor's
                vocabulary extended.
            texts: descriptions of the new classes by their names ("groom horse"); a class that it leaves out gets the
                lexicon's or, where that lacks a word, the bare phrase.
            adapting: how the classes learn from the nearest seen ones (UTPL); None: only the frozen guidance counts.

        The predictor's detector does not learn of new objects: give another one for them.

        Raises:
            DataError: the file or the texts are wrong, or the bundle takes no classes.
            ConfigError: an adaptation is asked of a model that has none.
        """
        if not isinstance(vocabulary, Vocabulary):
            vocabulary = vocabulary_file.extended(Path(vocabulary), self.vocabulary)
        described = adding.described(self.words, vocabulary, texts or {}, header=self.header)
        words = adding.add(self.words, vocabulary, described, model=self._model, header=self.header, adapting=adapting)
        return Predictor(self.header, self._model, words, self.detector)

    def with_examples(self, examples: Sequence[Example], *, weight: float = WEIGHT) -> Predictor:
        """A predictor that also remembers annotated pairs (`pipeline/predict/remembered.py`).

        Args:
            examples: pictures with their pairs, of which the first `examples.MOST` of each class are remembered.
            weight: how much more they count than the texts.

        Raises:
            DataError: a picture cannot be read, or the boxes of a pair are not among those that are kept of it.
        """
        demand_phrases(self.header)
        scorer = replace(self.words.scorer, remembered=None)
        words = replace(self.words, scorer=scorer)
        plain = Predictor(self.header, self._model, words, self.detector)

        def paired(some: Sequence[Example]) -> dict[str, Any]:
            prepared = [plain.prepare(one.picture, one.boxes, keep=True) for one in some]
            return plain.pairs(prepared, crops=True).table

        remembered = remembering.learned(examples, paired, vocabulary=self.vocabulary, scorer=scorer, weight=weight)
        counted = {h: min(n, MOST) for h, n in counts(examples).items()}
        return Predictor(
            self.header,
            self._model,
            replace(words, scorer=replace(scorer, remembered=remembered), examples=counted),
            self.detector,
        )

    def __call__(
        self,
        picture: PictureLike,
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
            name: its name in the record; that of the file if left out.
            top: how many interactions the record has, the best ones; None: all.
            threshold: the least score of an interaction, in the units of `records`.
            only: names of the classes that count ("ride horse"); all if empty.

        Raises:
            DataError: the picture cannot be read, a name is no class's, or there are neither boxes nor a detector.
        """
        return self.batch([picture], [boxes], names=[name], top=top, threshold=threshold, only=only)[0]

    def batch(
        self,
        pictures: Sequence[PictureLike],
        boxes: Sequence[Boxes | None] | None = None,
        *,
        names: Sequence[str | None] | None = None,
        top: int | None = TOP,
        threshold: float = THRESHOLD,
        only: Sequence[str] = (),
    ) -> list[Picture]:
        """The same for several pictures in one pass; the arguments are those of a call, as lists."""
        boxes = boxes if boxes is not None else [None] * len(pictures)
        names = names if names is not None else [None] * len(pictures)
        prepared = [self.prepare(*one) for one in zip(pictures, boxes, names, strict=True)]
        return self.predict(prepared, top=top, threshold=threshold, only=only)

    def prepare(
        self, picture: PictureLike, boxes: Boxes | None = None, name: str | None = None, *, keep: bool = False
    ) -> Prepared:
        """Decode a picture and resize it for the towers; DataError if it cannot be read, or there are no boxes for it.

        Args:
            keep: whether to keep the picture itself, for crops.
        """
        name = name or (str(picture) if isinstance(picture, str | Path) else "picture")
        if boxes is None and self.detector is None:
            raise DataError(f"{name}: has no boxes, and there is no detector that could find some")
        image = opened(picture, what=name)
        asked = self._model.sizes.parts.vlm_guidance or bool(set(self._reads) & set(REGION_COLUMNS))
        return Prepared(
            name=name,
            size=image.size,
            square=square(image, self._model.clip.image_size),
            whole=self._preprocess(image) if asked else None,
            boxes=None if boxes is None else boxes.inside(image.size),
            picture=image if boxes is None or keep or self.words.scorer.remembered is not None else None,
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
        """The records of prepared pictures, computed together; the arguments are those of a call."""
        if not prepared:
            return []
        classes = self.ids(only)
        found = self.pairs(prepared)
        scores = self.words.scorer.scores("adapted", found.table)
        pictures = []
        for place, one in enumerate(prepared):
            rows = found.table["image_id"] == place
            pictures.append(
                records.picture(
                    one.name,
                    one.size,
                    {name: values[rows] for name, values in found.table.items() if values.ndim == 1},
                    scores[rows],
                    self.vocabulary,
                    persons=found.persons[place],
                    things=found.things[place],
                    left_out=found.left_out[place],
                    classes=classes,
                    top=top,
                    threshold=threshold,
                )
            )
        return pictures

    @torch.no_grad()
    def pairs(self, prepared: Sequence[Prepared], *, crops: bool = False) -> Pairs:
        """The pairs of prepared pictures and their features, computed together.

        Args:
            crops: whether features of all crops are made; else only those that remembered examples need.
        """
        boxes = self._boxes(prepared)
        found = [sift(_fractions(b, one.size), self.header.pairing) for b, one in zip(boxes, prepared, strict=True)]
        batch = instances.collate(found)
        table = pairs.columns(batch, range(len(prepared)), dict(enumerate(one.size for one in prepared)))
        image, human, thing = batch.pairs.unbind(dim=1)
        table["person_score"] = batch.scores[image, human].numpy()
        table["object_score"] = batch.scores[image, thing].numpy()
        table |= self._computed(prepared, batch)
        remembered = self.words.scorer.remembered
        if crops or remembered is not None:
            wanted = None if crops or remembered is None else set(remembered.objects.tolist())
            table |= self._crops(prepared, table, wanted)
        persons = [int((labels == instances.PERSON).sum()) for *_, labels in found]
        things = [len(labels) - count for (*_, labels), count in zip(found, persons, strict=True)]
        return Pairs(table, persons, things, [one.left_out for one in boxes])

    def ids(self, names: Sequence[str]) -> tuple[int, ...]:
        """The ids of the classes of those names, all if there are none; DataError with the nearest names for another name."""
        try:
            return tuple(self.vocabulary.find(name).hoi_id for name in names) or self.vocabulary.ids
        except ValueError as error:
            raise DataError(str(error)) from None

    def _boxes(self, prepared: Sequence[Prepared]) -> list[Boxes]:
        """The boxes of all pictures; the detector is run on pictures that come without."""
        wanting = [one.picture for one in prepared if one.boxes is None and one.picture is not None]
        seen = iter(self.detector.detect(wanting) if wanting and self.detector is not None else ())
        return [one.boxes if one.boxes is not None else next(seen) for one in prepared]

    def _crops(
        self, prepared: Sequence[Prepared], table: Mapping[str, Any], wanted: set[int] | None
    ) -> dict[str, NDArray[np.float32]]:
        """The frozen CLIP's features of the crops of pairs with these objects (None: all); zeros for the others."""
        clip = self._model.clip
        boxes = np.stack([table[column] for column in BOXES], axis=1)
        around = np.concatenate(
            [np.minimum(boxes[:, :2], boxes[:, 4:6]), np.maximum(boxes[:, 2:4], boxes[:, 6:])], axis=1
        )
        corners = dict(zip(CROPS, (boxes[:, :4], boxes[:, 4:], around), strict=True))
        found = {name: np.zeros((len(boxes), clip.joint_width), np.float32) for name in corners}
        asked = np.ones(len(boxes), bool) if wanted is None else np.isin(table["object_id"], list(wanted))
        for place, one in enumerate(prepared):
            rows = np.flatnonzero(asked & (table["image_id"] == place))
            if one.picture is None or not len(rows):
                continue
            for name, corner in corners.items():
                found[name][rows] = crops_of.of_boxes(clip, one.picture, corner[rows]).numpy()
        return found

    @property
    def _reads(self) -> tuple[Column, ...]:
        """The columns that the head reads of the pairs beside the fused feature."""
        return self.words.scorer.reads("adapted")

    def _computed(self, prepared: Sequence[Prepared], batch: instances.Instances) -> dict[str, NDArray[Any]]:
        """The fused features (P, d_a) of all pairs, and the further columns that the head reads."""
        model, clip = self._model, self._model.clip
        pixels = model.normalise(stacked([one.square for one in prepared], clip.device))
        whole = [one.whole for one in prepared if one.whole is not None]
        if whole:
            tokens = frozen(clip, whole, self.header.clip.tokens).float()
        else:
            tokens = pixels.new_zeros(len(prepared), 1, clip.joint_width)
        here = batch.to(clip.device)
        return {"feature": model.pairs(pixels, tokens, here, self.words.objects).cpu().numpy()} | columns(
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
