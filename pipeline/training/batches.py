"""Batches of training images: which images a step has, how it changes them, and their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.clip import Clip
from models.instances import Instances, collate
from pipeline.boxes import configured_detector
from pipeline.boxes.augmentation import Transform, draw
from pipeline.boxes.instances import Annotated, Detected, sift
from pipeline.datasets.images import Images
from pipeline.errors import DataError
from pipeline.learned.build import generator, seed_of
from pipeline.learned.tokens import FrozenTokens
from pipeline.training.task import Part
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary
from pipeline.work.work import Work

if TYPE_CHECKING:
    from models.detector import Prepared  # transformers, which only a run with a detector needs


@dataclass(frozen=True)
class View:
    """Some images as a step has changed them: pixels uint8 (B, 3, S, S), their instances, and which pairs match annotated ones.

    `matches` are pair indices and hoi_ids (M,), (M,) of the pairs that overlap an annotated one.
    """

    pixels: Tensor
    found: Instances
    matches: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Shown:
    """Some images as a step has changed them, before their instances are known.

    Args:
        share: 1 / (the number of parts that have images).
        pixels: uint8 (B, 3, S, S).
        pictures: the picture of each image for an online detector; none with cached boxes.
    """

    ids: list[int]
    step: int
    share: float
    transforms: list[Transform]
    pixels: Tensor
    pictures: list[Prepared]


@dataclass(frozen=True)
class Batch:
    """A part of a step's batch, in host memory.

    Args:
        share: 1 / (the number of parts that have images).
        tokens: (B, 1 + D, d_a), the frozen CLIP's tokens of the images (Eq. 3).
        verbs: (P, V), True for the verbs of the annotated pairs that a pair matches.
        entries: (P, V), which labels count: the verbs that a seen class has with the pair's object; in a picture whose
            annotation is not exhaustive, only the annotated ones of them.
        exhaustive: (P,), whether the annotation of a pair's picture is exhaustive: what it lacks does not happen.
    """

    share: float
    view: View
    tokens: Tensor
    verbs: Tensor
    entries: Tensor
    exhaustive: Tensor

    @property
    def truth(self) -> Tensor:
        """The labels (E,), 0 or 1, of the E entries that count, in order."""
        return self.verbs[self.entries].float()


class TrainingImages:
    """The training split of the dataset, in batches. Labels of classes that are not `seen` (ids) do not exist here."""

    def __init__(self, work: Work, clip: Clip, vocabulary: Vocabulary, seen: Sequence[int]) -> None:
        annotations = work.inputs["annotations"]
        self.config, self.size = work.config, clip.image_size
        self._images = Images(annotations, split="train", root=work.config.data.root)
        self._detected = Detected(
            work.inputs["detections"].table("train.parquet"), sizes=self._images.sizes, pairing=work.config.pairing
        )
        pairs = annotations.table("train-pairs.parquet")
        if not pairs["hoi_id"].isin(list(seen)).any():
            raise DataError(
                f"setting = {work.config.setting}: none of the {len(pairs):,} annotated pairs of the {len(self._images.ids):,} "
                "training pictures is of a seen class, so there is nothing to learn from. Choose another setting or add some"
            )
        self._annotated = Annotated(pairs, sizes=self._images.sizes, hois=seen)
        self._frozen = FrozenTokens(work.inputs["image_embeddings"], "train")
        self.ids = sorted(self._frozen.ids)  # an unreadable image may have been skipped there
        self._valid = torch.from_numpy(vocabulary.valid(seen))
        self._verb_of = torch.from_numpy(vocabulary.verb_of.copy())
        online = work.config.seen.augment.detector == "online"
        wanted = {PERSON, *(hoi.object_id for hoi in vocabulary.classes)}
        self._detector = configured_detector.load(work.config, vocabulary.objects, wanted) if online else None

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.ids) / self.config.seen.batch_size)

    def batch_ids(self, step: int) -> list[int]:
        """The image ids of a step. An epoch has every image once, in an order that is drawn for the epoch."""
        size = self.config.seen.batch_size
        epoch, position = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self.ids), generator=generator(self.config.seed, "seen", "order", epoch))
        return [self.ids[i] for i in order[position * size : (position + 1) * size].tolist()]

    def show(self, ids: list[int], step: int, share: float = 1.0) -> Shown:
        """Change the images for a step. All augmentation is drawn here; it moves pixels and boxes together.

        What is drawn for an image depends only on the seed, the step and the image, so it does not matter which process
        draws it, nor when.
        """
        transforms = [self._transform(step, i) for i in ids]
        pixels, pictures = [], []
        for image_id, transform in zip(ids, transforms, strict=True):
            pixels.append(self._pixels(image_id, transform))
            if self._detector is not None:
                pictures.append(self._detector.prepare(transform.picture(self._images.open(image_id))))
        return Shown(ids, step, share, transforms, torch.stack(pixels), pictures)

    def view(self, shown: Shown) -> View:
        """The changed images with their instances and the pairs that match annotated ones."""
        found = self._detected.batch(shown.ids, shown.transforms) if self._detector is None else self._online(shown)
        return View(shown.pixels, found, self._annotated.matches(shown.ids, found, shown.transforms))

    def _transform(self, step: int, image_id: int) -> Transform:
        source = generator(self.config.seed, "seen", "view", step, image_id)
        return draw(
            self.config.seen.augment, self._images.sizes[image_id], lambda: float(torch.rand((), generator=source))
        )

    def _pixels(self, image_id: int, transform: Transform) -> Tensor:
        if not transform.only_mirrors:
            return transform.pixels(self._images.open(image_id), self.size)
        pixels = self._images.squares([image_id], self.size)[0]  # rendered ones are in memory already
        return pixels.flip(-1) if transform.mirrored else pixels

    def _online(self, shown: Shown) -> Instances:
        """What the online detector finds in the changed pictures; its dropout is on and drawn by the same seeds."""
        assert self._detector is not None
        found = []
        for image_id, picture in zip(shown.ids, shown.pictures, strict=True):
            torch.manual_seed(seed_of(self.config.seed, "seen", "online", shown.step, image_id))
            ((boxes, scores, labels),) = self._detector.detect([picture], noisy=True)
            found.append(sift((boxes / torch.tensor(picture[1] * 2), scores, labels), self.config.pairing))
        return collate(found)

    def load(self, step: int, part: Part) -> Shown | Batch | None:
        """A part of a step's batch, as far as a thread can prepare it; None if the batch is too small to give it an image.

        An online detector draws its dropout from torch's own generator, so it is run in `ready`.
        """
        everything = self.batch_ids(step)
        ids = part.of(everything)
        if not ids:
            return None
        shown = self.show(ids, step, 1 / min(part.count, len(everything)))
        return self._batch(shown) if self._detector is None else shown

    def ready(self, loaded: Shown | Batch | None) -> Batch | None:
        """Complete what was loaded."""
        return self._batch(loaded) if isinstance(loaded, Shown) else loaded

    def _batch(self, shown: Shown) -> Batch:
        view = self.view(shown)
        image, _, thing = view.found.pairs.unbind(dim=1)
        entries = self._valid[view.found.labels[image, thing]]
        matched = torch.zeros(len(view.found.pairs), self._valid.shape[1], dtype=torch.bool)
        pair, hoi = view.matches
        matched[pair, self._verb_of[hoi]] = True
        exhaustive = torch.tensor([i not in self._images.incomplete for i in shown.ids])[image]
        entries &= matched | exhaustive[:, None]
        # The frozen tokens are those of the unchanged image: guidance attends to what is there, not to where.
        return Batch(shown.share, view, self._frozen.of(shown.ids), matched, entries, exhaustive)

    def files(self, step: int) -> list[str]:
        """The file names of a step's images."""
        return [self._images.file(i) for i in self.batch_ids(step)]
