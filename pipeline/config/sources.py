"""What a value of the configuration names outside of the store: a file of the user's, one of the project's, or a foreign name.

The type of a key decides that once, when the configuration is parsed; fingerprints, plans, loaders and the way to a worker ask
the value (`Source`). A key that is no source, such as `store.root`, has another type.

    weights: ClipWeights        a name or a path: the value is a `Source`
    edits: File | None          only ever a path: the value is a `Path`, and `sources` tells what it names
    source: Annotated[Literal["lexicon", "llm"], Packaged("lexicon", LEXICON)]
                                a choice, one of which stands for content that comes with the project
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, PlainSerializer, PlainValidator, ValidationInfo

from pipeline.config.packaged import HICO, LEXICON, PROMPTS, TINY_CLIP, TINY_DETECTOR, VCOCO, WORLD
from pipeline.config.section import Here, at_home
from pipeline.outside.parsing import shown

Content = Literal["bytes", "tables", "images", "own"]
"""Which content of a source enters a fingerprint: the bytes of its files; of a dataset that comes with the project, its tables;
of a folder of HICO-DET or V-COCO ("images") or of one's own pictures ("own"), its annotation files and the names and sizes of
its images. The functions that compute the digests lie in rooms above: `pipeline/engine/stage.py` lists them by these names."""
HERE = Path()
CHECKPOINTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
"""Suffixes of files with weights."""


@dataclass(frozen=True)
class Source:
    """What a key names.

    Attributes:
        text: the value as it was given, with `~` as the folder that it stands for.
        path: the file or folder that is meant; None for a name that another library resolves: a tag, a model of a hub.
        packaged: whether it comes with the project. Then the text is a name, which means the same in any folder.
        folder: whether the path may be a folder; otherwise it has to be a file.
        content: what of it enters a fingerprint.
    """

    text: str
    path: Path | None = None
    packaged: bool = False
    folder: bool = False
    content: Content = "bytes"

    def __str__(self) -> str:
        return self.text

    @property
    def is_place(self) -> bool:
        """Whether the text is a path: where the content lies, which says nothing about what it is."""
        return self.path is not None and not self.packaged

    def absolute(self, folder: Path) -> str:
        """The value as it has to be written in another folder, if it was given in `folder`. A name stays a name."""
        return str(folder / self.text) if self.is_place else self.text

    def fault(self) -> str | None:
        """Why the path cannot be read; None if nothing is wrong so far."""
        if self.path is None:
            return None
        if not self.path.exists():
            return f"{self.path} does not exist"
        if not (self.path.is_file() or self.path.is_dir()):
            return f"{self.path} is neither a file nor a folder"
        return f"{self.path} is a folder; expected a file" if self.path.is_dir() and not self.folder else None


@dataclass(frozen=True)
class Files:
    """Marks a key whose values are paths."""

    folder: bool = False
    content: Content = "bytes"

    def source(self, value: object) -> Source | None:
        """What the value names."""
        return Source(str(value), value, folder=self.folder, content=self.content) if isinstance(value, Path) else None


@dataclass(frozen=True)
class Packaged:
    """Marks a key of which one choice stands for content that comes with the project."""

    choice: object
    path: Path
    content: Content = "bytes"

    def source(self, value: object) -> Source | None:
        """What the value names; None for the other choices."""
        if value != self.choice:
            return None
        return Source(str(value), self.path, packaged=True, folder=True, content=self.content)


@dataclass(frozen=True)
class PackagedTemplates:
    """Marks a key that names a template; the project's own templates for it have the word `kind` in their names."""

    kind: str

    def names(self) -> tuple[str, ...]:
        """The names of these templates, in order."""
        return tuple(sorted(path.stem for path in PROMPTS.glob(f"*{self.kind}*.yaml")))


def clip_weights(text: str, folder: Path = HERE) -> Source:
    """The project's own CLIP, a checkpoint by its path, or a tag of open_clip."""
    if text == "tiny":
        return Source(text, TINY_CLIP, packaged=True)
    is_path = "/" in text or Path(text).suffix in CHECKPOINTS
    return Source(text, Path(text) if is_path else None)


def detector_weights(text: str, folder: Path = HERE) -> Source:
    """The project's own detector, a folder that exists (as in transformers), a path, or a name on the hub.

    What cannot be a name on the hub is a path, whether it exists or not.
    """
    if text == "tiny":
        return Source(text, TINY_DETECTOR, packaged=True)
    like_a_path = text.startswith((".", "/", "~")) or text.count("/") > 1 or Path(text).suffix in CHECKPOINTS
    is_path = like_a_path or (folder / text).is_dir()
    return Source(text, Path(text) if is_path else None, folder=True)


def template(text: str, folder: Path = HERE) -> Source:
    """A template of the project's by its name, or somebody's by its path; ValueError for an unknown name."""
    if "/" in text or text.endswith((".yaml", ".yml")):
        return Source(text, Path(text))
    path = PROMPTS / f"{text}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(path.stem for path in PROMPTS.glob("*.yaml")))
        raise ValueError(
            f"no template {shown(text)}; the project's own are {names}; give another as the path of a YAML file"
        )
    return Source(text, path, packaged=True)


TEMPLATE_KEYS = {
    "describe": "descriptions.template",
    "contrast": "disparities.template",
    "action": "descriptions.action_template",
    "concept": "descriptions.concept_template",
}
"""The key that the project's own templates are for, by the word in their names."""


def _of_kind(kind: str) -> AfterValidator:
    """Refuse a template of the project's that is made for another key."""
    own = PackagedTemplates(kind)

    def check(value: Source) -> Source:
        if value.packaged and value.text not in own.names():
            key = next(key for word, key in TEMPLATE_KEYS.items() if word in value.text)
            raise ValueError(
                f"template {shown(value.text)} is for {key}; the project's own here are {', '.join(own.names())}"
            )
        return value

    return AfterValidator(check)


def _parsed(kind: Callable[[str, Path], Source]) -> PlainValidator:
    """Validate a text as that kind. Relative paths start at the `folder` of the validation context, else where we are."""

    def parse(value: object, info: ValidationInfo) -> Source:
        if not isinstance(value, str | Source):
            raise ValueError("expected a name or a path")
        folder = (info.context or {}).get("folder") or HERE
        return kind(at_home(str(value)), folder)

    return PlainValidator(parse)


_AS_TEXT = PlainSerializer(str, return_type=str)

File = Annotated[Here, Files()]
"""A file of the user's."""
FileOrFolder = Annotated[Here, Files(folder=True)]
"""A file or a folder of the user's."""
HicoFolder = Annotated[Here, Files(folder=True, content="images")]
"""A folder of HICO-DET or V-COCO, or one of the annotation files."""
ClipWeights = Annotated[Source, _parsed(clip_weights), _AS_TEXT]
"""`tiny`, a checkpoint's path, or a tag of open_clip."""
DetectorWeights = Annotated[Source, _parsed(detector_weights), _AS_TEXT]
"""`tiny`, a folder in transformers' format, or a model's name on the hub."""
DescriptionTemplate = Annotated[
    Source, _parsed(template), _of_kind("describe"), PackagedTemplates("describe"), _AS_TEXT
]
"""The name of a template of the project's that asks what a class looks like, or the path of a YAML file."""
ContrastTemplate = Annotated[Source, _parsed(template), _of_kind("contrast"), PackagedTemplates("contrast"), _AS_TEXT]
"""The same for a template that asks how a class differs from another one."""
ActionTemplate = Annotated[Source, _parsed(template), _of_kind("action"), PackagedTemplates("action"), _AS_TEXT]
"""The same for a template that asks what a verb looks like."""
ConceptTemplate = Annotated[Source, _parsed(template), _of_kind("concept"), PackagedTemplates("concept"), _AS_TEXT]
"""The same for a template that asks what a verb shows in a region."""
DESCRIBED = ("describe-slots-v1",)
"""The description templates for which the lexicon has a wording of its own; for the others it has its usual one."""
WORDINGS = ("contrast-v1", "contrast-v2")
"""The contrast templates for which the lexicon has a wording of its own."""
DatasetName = Annotated[
    Literal["world", "hico", "vcoco", "own"],
    Packaged("world", WORLD, "tables"),
    Packaged("hico", HICO, "tables"),
    Packaged("vcoco", VCOCO, "tables"),
]
"""A dataset, whose classes and settings come with the project, or the user's own pictures."""
TextsFrom = Annotated[Literal["lexicon", "llm", "file"], Packaged("lexicon", LEXICON)]
"""Where texts come from: the project's visual lexicon, a language model, or a file of the user's."""
MissingFrom = Annotated[Literal["error", "lexicon", "llm"], Packaged("lexicon", LEXICON)]
"""Where the texts come from that a file lacks."""
ActionsFrom = Annotated[bool, Packaged(True, LEXICON)]
"""Whether verbs are described too. The lexicon describes them where no language model is asked: so true names the lexicon,
whose content then enters the fingerprint."""


def sources(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Source]]:
    """(dotted key, what it names) of every source of a configuration; keys that name nothing are left out."""
    for name, marks in _marks(type(section)).items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from sources(value, f"{prefix}{name}.")
        elif isinstance(value, Source):
            yield f"{prefix}{name}", value
        else:
            for mark in marks:
                if (found := mark.source(value)) is not None:
                    refined = getattr(section, "refined", None)
                    yield f"{prefix}{name}", refined(name, found) if refined else found


@cache
def _marks(section: type[BaseModel]) -> dict[str, list[Files | Packaged]]:
    """{field: the marks of its annotation}, also those of an optional field."""
    found = {}
    for name, field in section.model_fields.items():
        nested = [mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ())]
        found[name] = [mark for mark in (*field.metadata, *nested) if isinstance(mark, Files | Packaged)]
    return found
