"""Pictures, a bundle and somebody's boxes in; a folder of predictions out. The command and the deployment do this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.predict import bundle as bundles
from pipeline.predict import detecting, listing
from pipeline.predict.bundle import Header
from pipeline.predict.defaults import THRESHOLD, TOP
from pipeline.predict.listing import Listed
from pipeline.store import digest

if TYPE_CHECKING:
    from pipeline.predict.boxes_file import BoxesFile
    from pipeline.predict.folder import Folder
    from pipeline.predict.many import Progress
    from pipeline.predict.predictor import Predictor

Say = Callable[[str], None]
"""Tell whoever watches something in a line."""


@dataclass(frozen=True)
class Done:
    """What became of a job."""

    out: Path
    pictures: int
    """How many pictures the folder has."""
    faults: dict[str, str]
    """{name: why} of those that could not be read."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked for.

    Args:
        bundle: the bundle's file.
        boxes: a file of boxes; without one, a detector is asked.
        detector: name or folder of a detector; the bundle's own if left out.
        top, threshold, only: as of `Predictor`; idle: whether pairs without an interaction are drawn.
        clip: file of CLIP's weights, where the bundle's were a file.
        anew: begin again in a folder that has other predictions.
    """

    bundle: Path
    pictures: Sequence[Listed]
    out: Path
    boxes: Path | None = None
    detector: str | None = None
    top: int | None = TOP
    threshold: float = THRESHOLD
    only: Sequence[str] = ()
    idle: bool = False
    clip: Path | None = None
    device: str = "auto"
    anew: bool = False

    def run(self, progress: Progress, say: Say) -> Done:
        """Predict what is not done yet, and write what there is even if this is interrupted.

        Raises:
            EzhoiError: what was asked for cannot be; nothing is written then. A picture that cannot be read is no error.
        """
        if self.boxes is not None and self.detector is not None:
            raise ConfigError(
                f"{self.boxes} has the boxes already, so {self.detector} would not be asked: leave one out"
            )
        header = bundles.read_header(self.bundle)
        say(f"model: {self.bundle} ({header.dataset}, {header.setting}, {len(header.classes.classes)} classes)")
        boxes = self._boxes(header, say)
        if boxes is None and self.detector is None:
            detecting.of_bundle(header)  # refused before anything is loaded
        predictor = self._predictor(header, boxes, say)
        predictor.ids(self.only)
        from pipeline.predict import folder as folders

        folder = folders.opened(
            self.out, self._about(header, predictor), pictures=listing.digest_of(self.pictures), anew=self.anew
        )
        try:
            return self._filled(folder, predictor, boxes, progress, say)
        finally:
            folder.close()

    def _boxes(self, header: Header, say: Say) -> BoxesFile | None:
        if self.boxes is None:
            return None
        from pipeline.predict import boxes_file

        found = boxes_file.read(self.boxes, [picture.name for picture in self.pictures], header.classes)
        if found.without:
            say(f"{self.boxes} has no box of {found.without:,} of the {len(self.pictures):,} pictures")
        return found

    def _predictor(self, header: Header, boxes: BoxesFile | None, say: Say) -> Predictor:
        from pipeline.predict.predictor import Predictor
        from pipeline.work import torch_device

        device = torch_device.named(self.device)
        found = Predictor.open(self.bundle, clip=self.clip, device=device)
        if boxes is None:
            name, revision = (self.detector, None) if self.detector is not None else detecting.of_bundle(header)
            found.detector = detecting.opened(name, header.classes, revision=revision, device=self.device)
            if found.detector.identity.get("digest") != header.detector.digest:
                say(f"the bundle was evaluated with other boxes: {header.detector.note or header.detector.name}")
        return found

    def _about(self, header: Header, predictor: Predictor) -> dict[str, Any]:
        """Who predicts with whose boxes and which options: it stands in all files that are written."""
        if self.boxes is not None:
            whose: dict[str, Any] = {"source": "file", "name": self.boxes.name, "digest": digest.of_path(self.boxes)}
        else:
            assert predictor.detector is not None, "without boxes there is a detector"
            whose = dict(predictor.detector.identity)
        learned = f", trained on {whose['trained_on']}" if whose.get("trained_on") else ""
        return {
            "says": f"A model trained on {header.dataset}, setting {header.setting} ({len(header.classes.classes)} classes, "
            f"{len(header.unseen)} of them without a labelled pair); boxes: {whose['name']}{learned}. Scores rank; they are no "
            "probabilities.",
            "made_with": header.made_with,
            "bundle": digest.of_file(self.bundle),
            "dataset": header.dataset,
            "setting": header.setting,
            "detector": whose,
            "top": self.top,
            "threshold": self.threshold,
            "only": list(self.only),
            "idle": self.idle,
        }

    def _filled(
        self, folder: Folder, predictor: Predictor, boxes: BoxesFile | None, progress: Progress, say: Say
    ) -> Done:
        from pipeline.predict.many import Many

        place = {picture.name: i for i, picture in enumerate(self.pictures)}
        many = Many(
            predictor=predictor,
            folder=folder,
            boxes=None if boxes is None else lambda name: boxes.of(place[name]),
            top=self.top,
            threshold=self.threshold,
            only=self.only,
            idle=self.idle,
        )
        try:
            faults = many.run(self.pictures, progress)
        except BaseException:
            done = folder.finish(self.pictures)
            say(f"{done:,} of {len(self.pictures):,} pictures so far, in {folder.path}; the same again goes on")
            raise
        return Done(folder.path, folder.finish(self.pictures), faults)
