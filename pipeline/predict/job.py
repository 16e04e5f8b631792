"""What the command and the deployment `predict` do: from pictures, a bundle and boxes to a folder of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.boxes.detector_identity import TRAINED_ON
from pipeline.config.changed import set_in_vain
from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.errors import ConfigError, DataError, StoreError
from pipeline.predict import bundle as bundles
from pipeline.predict import detecting, listing
from pipeline.predict.bundle import Header
from pipeline.predict.defaults import THRESHOLD, TOP
from pipeline.predict.listing import Listed
from pipeline.store import compare, digest
from pipeline.store.opening import store_of
from pipeline.vocabulary import file as vocabulary_file
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pipeline.predict.boxes_file import BoxesFile
    from pipeline.predict.examples import Example
    from pipeline.predict.folder import Folder
    from pipeline.predict.many import Progress
    from pipeline.predict.predictor import Predictor

TEXTS = ("descriptions", "llm")
"""The sections of the configuration by which added classes are described."""
Say = Callable[[str], None]
"""Called with a line for whoever watches."""


@dataclass(frozen=True)
class Done:
    """The result of a job."""

    out: Path
    pictures: int
    """How many pictures the folder has."""
    faults: dict[str, str]
    """{name: why} of the pictures that could not be read."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be predicted.

    Args:
        bundle: the bundle's file.
        boxes: a file of boxes; without one a detector is run.
        detector: name or folder of a detector; the bundle's own if left out.
        top, threshold, only: as for `Predictor`; idle: whether pairs without an interaction are drawn.
        clip: the file of CLIP's weights, if the bundle was trained with a file.
        anew: whether to begin again in a folder that has other predictions.
        classes: a file of classes that are added to the model's (`pipeline.vocabulary.file.extended`).
        adapt: whether added classes learn from their nearest seen ones (UTPL).
        examples: annotated pairs that are remembered (`pipeline/predict/examples.py`).
        config: the configuration whose descriptions, language model, UTPL and store count for added classes.
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
    classes: Path | None = None
    adapt: bool = False
    examples: Path | None = None
    config: Config = field(default_factory=lambda: load(environment={}))

    def run(self, progress: Progress, say: Say) -> Done:
        """Predict what is not done yet, and write what there is, even if this is interrupted.

        Raises:
            EzhoiError: the job is impossible; then nothing is written. A picture that cannot be read is no error.
        """
        if self.boxes is not None and self.detector is not None:
            raise ConfigError(
                f"{self.boxes} has the boxes already, so {self.detector} would not be asked: leave one out"
            )
        if self.adapt and self.classes is None:
            raise ConfigError(
                "adapt (--adapt) adapts the classes that a file adds (--classes FILE); the model's own are adapted already"
            )
        header = bundles.read_header(self.bundle)
        for line in set_in_vain(self.config, reads=self._reads()):
            say(f"{line}: what the bundle was made with counts")
        say(f"model: {self.bundle} ({header.dataset}, {header.setting}, {len(header.classes.classes)} classes)")
        vocabulary = self._vocabulary(header, say)
        boxes = self._boxes(header, vocabulary, say)
        if boxes is None and self.detector is None:
            detecting.of_bundle(header)  # refused before anything is loaded
        shown, leaked = self._shown(vocabulary, say)
        predictor = self._predictor(header, vocabulary, boxes, shown, say, progress)
        predictor.ids(self.only)
        from pipeline.predict import folder as folders

        folder = folders.opened(
            self.out,
            self._about(header, predictor, shown, leaked),
            pictures=listing.digest_of(self.pictures),
            anew=self.anew,
            classes={hoi.hoi_id: hoi.name for hoi in predictor.vocabulary.classes},
        )
        try:
            return self._filled(folder, predictor, boxes, progress, say)
        finally:
            folder.close()

    def _reads(self) -> tuple[str, ...]:
        """The keys of the configuration that count: those of the texts of added classes, and of their adaptation."""
        from pipeline.predict import adding

        return (*(TEXTS if self.classes is not None else ()), *(adding.KEYS if self.adapt else ()))

    def _vocabulary(self, header: Header, say: Say) -> Vocabulary:
        """The model's classes and the added ones."""
        if self.classes is None:
            return header.classes
        bundles.texts_of(header)  # refused before anything is loaded
        found = vocabulary_file.extended(self.classes, header.classes)
        known, added = header.classes, []
        for one, name in (("class", "classes"), ("verb", "verbs"), ("object", "objects")):
            count = len(getattr(found, name)) - len(getattr(known, name))
            added.append(f"{count} {one if count == 1 else name}")
        say(f"{self.classes} adds {', '.join(added)}")
        return found

    def _boxes(self, header: Header, vocabulary: Vocabulary, say: Say) -> BoxesFile | None:
        if self.boxes is None:
            return None
        from pipeline.predict import boxes_file

        found = boxes_file.read(self.boxes, [picture.name for picture in self.pictures], vocabulary, size=self._size)
        if found.without:
            say(f"{self.boxes} has no box of {found.without:,} of the {len(self.pictures):,} pictures")
        if found.repeated:
            say(f"{self.boxes}: {found.repeated}")
        new = range(len(header.classes.objects), len(vocabulary.objects))
        if lacking := [vocabulary.objects[i].noun for i in new if i not in found.objects]:
            raise DataError(
                f"{self.boxes}: has no box of {', '.join(lacking)}, which {self.classes} adds, so nothing could be found with "
                "it: label boxes so, or leave the object out"
            )
        return found

    def _size(self, place: int) -> tuple[int, int] | None:
        """Width and height of a picture; None if it cannot be read, which is told when its turn comes."""
        from pipeline.predict import pictures

        try:
            return pictures.size(self.pictures[place].path)
        except (DataError, OSError):
            return None

    def _predictor(
        self,
        header: Header,
        vocabulary: Vocabulary,
        boxes: BoxesFile | None,
        shown: Sequence[Example],
        say: Say,
        progress: Progress,
    ) -> Predictor:
        from pipeline.predict.predictor import Predictor
        from pipeline.work import torch_device

        device = torch_device.named(self.device)
        found = Predictor.open(self.bundle, clip=self.clip, device=device)
        found = self._with_classes(found, vocabulary, say, progress)
        if shown:
            found = found.with_examples(shown)
        if boxes is None:
            name, revision = (self.detector, None) if self.detector is not None else detecting.of_bundle(header)
            found.detector = detecting.opened(name, vocabulary, revision=revision, device=self.device)
            if found.detector.identity.get("digest") != header.detector.digest:
                say(f"the bundle was evaluated with other boxes: {header.detector.note or header.detector.name}")
        return found

    def _with_classes(self, found: Predictor, vocabulary: Vocabulary, say: Say, progress: Progress) -> Predictor:
        """The predictor with the added classes, described as the configuration says."""
        new = [hoi for hoi in vocabulary.classes if hoi.hoi_id not in found.vocabulary.ids]
        if not new:
            return found
        from pipeline.predict import adding
        from pipeline.texts import describing

        scratch = self.out / ".texts"
        if self.config.descriptions.asks_model or self.config.disparities.asks_model:
            scratch.mkdir(parents=True, exist_ok=True)
        described = describing.of_added(
            new,
            vocabulary=vocabulary,
            config=self.config,
            actions=bundles.texts_of(found.header).actions,
            scratch=scratch,
            progress=progress,
        )
        plain = [hoi.name for hoi in new if described[hoi.hoi_id].source == describing.PHRASE]
        if plain:
            say(
                f"nobody describes {', '.join(plain[:5])}{' ...' if len(plain) > 5 else ''}: the phrase stands for it "
                "(descriptions.source=file or llm describes better)"
            )
        adapting = None
        if self.adapt:
            pairs = adding.pairs_of(found.header, store_of(self.config))
            if pairs is None:
                raise StoreError(
                    f"adapt (--adapt) learns from the pairs that the model was trained on, and {self.config.store.root} does "
                    "not have them: without them it gains nothing. Predict where it was trained (store.root=FOLDER), or leave "
                    "it out"
                )
            adapting = adding.Adapting(config=self.config, pairs=pairs, scratch=scratch, progress=progress)
        return found.with_classes(
            vocabulary, {vocabulary.hoi(h).name: said for h, said in described.items()}, adapting=adapting
        )

    def _shown(self, vocabulary: Vocabulary, say: Say) -> tuple[Sequence[Example], list[str]]:
        """The examples, and the names of the pictures to predict that are among them."""
        if self.examples is None:
            return (), []
        from pipeline.predict import examples

        shown = examples.read(self.examples, vocabulary)
        if leaked := self._among(shown):
            say(
                f"leak: {len(leaked):,} of the pictures are examples too; what is found in them says nothing of how good "
                "the model is"
            )
        return shown, leaked

    def _among(self, shown: Sequence[Example]) -> list[str]:
        """The names of the pictures that are also pictures of examples, by their content."""
        sizes = {one.picture.stat().st_size for one in shown}
        digests = {digest.of_file(one.picture) for one in shown}
        alike = [one for one in self.pictures if one.path.is_file() and one.path.stat().st_size in sizes]
        return [one.name for one in alike if digest.of_file(one.path) in digests]

    def _about(
        self, header: Header, predictor: Predictor, shown: Sequence[Example], leaked: Sequence[str]
    ) -> dict[str, Any]:
        """Which model predicts, with whose boxes and which options; all written files say it."""
        if self.boxes is not None:
            whose: dict[str, Any] = {"source": "file", "name": self.boxes.name, "digest": digest.of_path(self.boxes)}
            whose["trained_on"] = TRAINED_ON[None]
        else:
            assert predictor.detector is not None, "without boxes there is a detector"
            whose = dict(predictor.detector.identity)
        words = predictor.words
        leak = f"Leak: {len(leaked):,} of the pictures are examples too. " if leaked else ""
        learned = f", trained on {whose['trained_on']}" if whose.get("trained_on") else ""
        files = [] if self.classes is None else [("classes_file", self.classes, digest.of_path(self.classes))]
        if self.examples is not None:  # a table names pictures, which lie beside it
            content = digest.of_value([digest.of_path(self.examples), *(digest.of_file(one.picture) for one in shown)])
            files.append(("examples_file", self.examples, content))
        return {
            "says": f"A model trained on {header.dataset}, setting {header.setting} ({len(header.classes.classes)} classes, "
            f"{len(header.unseen)} of them without a labelled pair); boxes: {whose['name']}{learned}. {words.says} {leak}"
            "Scores rank; they are no probabilities.",
            "made_with": header.made_with,
            "bundle": digest.of_file(self.bundle),
            "dataset": header.dataset,
            "setting": header.setting,
            "detector": whose,
            **words.record,
            **({"leaked": list(leaked)} if leaked else {}),
            "top": self.top,
            "threshold": self.threshold,
            "only": list(self.only),
            "idle": self.idle,
            **({"adapting": self.adapting()} if self.adapt else {}),
        } | {key: {"name": path.name, "digest": content} for key, path, content in files}

    def adapting(self) -> str:
        """A digest of what the configuration says of the adaptation (`adding.KEYS`), and of the files that it names there."""
        from pipeline.predict import adding

        sources = {key: source.path for key, source in self.config.sources().items() if source.path is not None}
        said = compare.flatten(self.config.subset(adding.KEYS))
        named = {
            key: path for key, path in sources.items() if key.startswith(tuple(f"{name}." for name in adding.KEYS))
        }
        files = {key: digest.of_path(path) for key, path in named.items()}
        return digest.of_value([{key: value for key, value in said.items() if key not in files}, files])

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
        done = folder.finish(self.pictures)
        if others := folder.others(self.pictures):
            say(
                f"{folder.path} also has {others:,} pictures of earlier commands; the table, the JSON and the page are of "
                "those that this command names"
            )
        return Done(folder.path, done, faults)
