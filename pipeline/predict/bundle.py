"""A bundle: one safetensors file with all that a trained model needs to predict, without traces of the place where it was made.

Its tensors are the learned weights (`model.*`), the text features of the C phrases (`text.hoi_id`, `text.before`,
`text.after`), the embeddings of the O objects (`objects`), and in format 2 the state of another head than EZ-HOI's
(`head.*`). Everything else is one JSON value in the file's header under the key `ezhoi`, read into `Header`. The weights of
CLIP and of a detector are not in it: they are named, and CLIP's must have the digest that the header states
(`pipeline/predict/opening.py`). Reading executes nothing.

The last tensor (`digest`, bytes) is the digest of the JSON and of the others, by which a file that was edited or damaged is
known; the first bundles have none. It is no second text of the header because safetensors writes texts in any order, and the
same bundle has the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, field_validator

from models.heads.kinds import KINDS, REGION_COLUMNS, HeadName
from models.sizes import Preset, Scope, Sizes
from pipeline.config.model import Model, Pairing
from pipeline.config.section import Section
from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.outside.parsing import first_fault, json_value, shown
from pipeline.store import digest
from pipeline.store.runs import Percent
from pipeline.tables.tensors import save_tensors
from pipeline.vocabulary import file as vocabulary_file
from pipeline.vocabulary.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

PLAIN, WITH_HEAD = 1, 2
"""Numbers of the format: without and with another head. A reader refuses any other number. `Header.format` states it."""
FILE, CARD = "bundle.safetensors", "README.md"
"""The names of the bundle and of its model card in the artifact."""
KEY = "ezhoi"
"""The key of the JSON in the header of safetensors, whose values are texts."""
DIGEST = "digest"
"""The name of the tensor with the digest of that JSON and of the other tensors."""
MODEL = "model."
"""The beginning of the names of the learned tensors."""
HEAD = "head."
"""The beginning of the names of the head's tensors."""
OF_HEADS = ("torch.float32", "torch.int64", "torch.bool")
"""Types of a head's tensors: features, ids and masks."""
TEXTS = ("text.hoi_id", "text.before", "text.after", "objects")
"""The other tensors."""


Spread = Annotated[float, Field(ge=1e-4)]
"""Standard deviation of a channel of CLIP's pictures, whose values are 0 to 1."""


class ClipIdentity(Section):
    """The frozen CLIP on which the model was trained: which one it is, and how its pictures are prepared."""

    architecture: str
    weights: str = Field(description="`tiny`, a tag of open_clip, or the name of a file without its folder")
    kind: Literal["packaged", "tag", "file"] = Field(description="how the weights are found; a file has to be given")
    digest: str = Field(description="of the loaded tensors (`models.digests`)")
    image_size: PositiveInt = Field(le=4_096)
    mean: tuple[float, float, float]
    std: tuple[Spread, Spread, Spread]
    resize: Literal["shortest", "longest", "squash"]
    tokens: Literal["all", "cls"] = Field(description="which frozen image tokens guide the visual prompts")


class Detector(Section):
    """The detector with whose boxes the model was evaluated (`pipeline/boxes/detector_identity.py`); null: not known."""

    source: str
    name: str
    digest: str | None = None
    revision: str | None = None
    outputs: int | None = None
    kind: str | None = None
    trained_on: str | None = None
    note: str | None = None
    pair_recall: Percent | None = Field(None, description="percent of the annotated test pairs that its boxes make")


class Measured(Section):
    """The result of the model's evaluation."""

    protocol: str
    means: dict[str, Percent | None] = Field(description="mAP in percent, by group of classes")
    images: NonNegativeInt | None = Field(description="test images; null where that is not known")
    annotated_pairs: NonNegativeInt
    on: Literal["test", "validation"] = Field("test", description="which pictures these are")


class Used(Section):
    """What a model learned from beside the labelled pairs of its training, which makes it another experiment."""

    transductive: bool = Field(description="whether it learned from pictures that it was tested on")
    examples: dict[str, PositiveInt] = Field(description="example pairs that it remembers (few-shot), by class")


class Start(Section):
    """What the bundles from which a training started (`seen.init`, one after the other) had learned from."""

    digest: str = Field(description="of the last one's file")
    datasets: tuple[str, ...] = Field(description="the first one's first")
    training_pairs: NonNegativeInt = Field(description="annotated pairs, of all of them together")
    labelled: tuple[str, ...] = Field(description="names of the classes of which any of them saw labelled pairs")


class Said(Section):
    """The description of a class with which the model was trained or adapted."""

    sentences: tuple[str, ...]
    source: str = Field(description="who said it, as the table of descriptions has it")
    action: tuple[str, ...] = Field((), description="sentences about its verb alone, where they guide as well")


class Texts(Section):
    """What is needed to guide and adapt classes that are added later (`pipeline/predict/adding.py`)."""

    guidance: Literal["pooled", "sentence", "token"] = Field(description="which embedding of a description guides")
    actions: bool = Field(description="whether what is said of the verb alone guides as well")
    descriptions: dict[int, Said] = Field(description="of the classes, by their ids")


class Header(Section):
    """Everything in a bundle except its tensors."""

    format: Literal[1, 2] = 1
    head: HeadName = Field("ezhoi", description="what scores pairs; in format 1 the phrases do")
    made_with: str = Field(description="the project's version")
    dataset: str = Field(description="what it was trained on: `world`, `hico`, ...")
    training_pairs: NonNegativeInt = Field(description="annotated pairs of seen classes that it learned from")
    setting: str = Field(description="the zero-shot setting")
    unseen: tuple[int, ...] = Field(description="ids of the classes of which it saw no labelled pair")
    added: tuple[int, ...] = Field(
        (), description="those of them that its dataset does not have (`data.classes`); nothing measured them there"
    )
    preset: Preset
    sizes: Sizes
    scope: Scope = Field(description="which pairs the phrase of an unseen class speaks for")
    scale: PositiveFloat = Field(description="learned scale of the logits")
    tau: PositiveFloat = Field(description="power of the detection prior")
    pairing: Pairing
    clip: ClipIdentity
    detector: Detector
    measured: Measured
    made_from: dict[str, str] = Field(description="digest of each artifact that the bundle was made from, by stage")
    used: Used | None = Field(None, description="what else it learned from; null in bundles that do not say it")
    start: Start | None = Field(None, description="where the training started, if not afresh")
    vocabulary: dict[str, Any]
    texts: Texts | None = Field(None, description="null in bundles that classes cannot be added to: the first ones")

    @field_validator("sizes")
    @classmethod
    def _as_configured(cls, sizes: Sizes) -> Sizes:
        """Only sizes that can be configured are sizes of a model."""
        try:
            Model.model_validate(asdict(sizes))
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None
        return sizes

    @cached_property
    def classes(self) -> Vocabulary:
        """The vocabulary as a value."""
        return vocabulary_file.parse(self.vocabulary, origin="the bundle's vocabulary")[0]


def demand_phrases(header: Header) -> None:
    """DataError if a model's verbs are not scored by phrases: only then can classes and examples be added."""
    if header.head != "ezhoi":
        raise DataError(
            f"the bundle's model tells verbs apart by the head {shown(header.head)}; classes and examples are added to models "
            "with the head 'ezhoi'"
        )


def texts_of(header: Header) -> Texts:
    """What a bundle says about the descriptions of its classes; DataError if its version did not say it."""
    demand_phrases(header)
    if header.texts is None:
        raise DataError(
            "the bundle does not say how descriptions guide its model, so no class can be added to it: it was made by "
            f"ezhoi {header.made_with}; make it again (ezhoi run --target bundle)"
        )
    return header.texts


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory."""

    header: Header
    tensors: Mapping[str, Tensor]

    def learned(self) -> dict[str, Tensor]:
        """The model's weights by name."""
        return self._under(MODEL)

    def head(self) -> dict[str, Tensor]:
        """The head's state by name; nothing in format 1."""
        return self._under(HEAD)

    def _under(self, prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}


def write(path: Path, bundle: Bundle) -> None:
    """Write the whole file or nothing; DataError if `read` would refuse it, OSError if it cannot be written."""
    header = bundle.header
    _demand_whole(path, header, bundle.tensors)
    # A key that says nothing is left out, so that a reader which does not know it yet has nothing to refuse.
    silent = {
        "start": header.start is None,
        "head": header.format == PLAIN,
        "added": not header.added,
        "used": header.used is None,
    }
    unsaid: dict[str, bool | set[str]] = {key: True for key, nothing in silent.items() if nothing}
    if header.sizes.inter == "block":
        unsaid["sizes"] = {"inter"}
    if header.measured.on == "test":
        unsaid["measured"] = {"on"}
    text = header.model_dump_json(exclude=unsaid)
    with atomic(path) as temporary:
        save_tensors(temporary, {**bundle.tensors, DIGEST: _digest(text, bundle.tensors)}, {KEY: text})


def read_header(path: Path) -> Header:
    """Read the header alone, without torch; DataError naming the file and what is wrong with it."""
    return _header(path, _opened(path, "numpy").metadata() or {})


def read(path: Path) -> Bundle:
    """Read the bundle in a file; DataError naming the file and what is wrong with it."""
    file = _opened(path, "pt")
    about = file.metadata() or {}
    header = _header(path, about)
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    stated = tensors.pop(DIGEST, None)
    _demand_whole(path, header, tensors)
    if stated is not None and stated.tolist() != _digest(about[KEY], tensors).tolist():
        raise DataError(
            f"{path}: its content is not what was written, by the digest in it: it was edited or damaged. Export it again, or "
            "ask whoever made it"
        )
    return Bundle(header, tensors)


def _digest(text: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """The digest of the JSON in the header and of the tensors, as bytes (16,)."""
    import torch

    from models import digests  # with torch, which whoever reads the header alone does without

    return torch.tensor(list(bytes.fromhex(digest.of_value([text, digests.of_tensors(tensors)]))), dtype=torch.uint8)


def _opened(path: Path, framework: str) -> Any:
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise DataError(f"{path}: is a folder; a bundle is one file")
    try:
        return safe_open(path, framework=framework)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path}: is no whole bundle ({str(error).splitlines()[0]}). If it was copied, copy it again"
        ) from None


def _header(path: Path, about: Mapping[str, str]) -> Header:
    if KEY not in about:
        raise DataError(f"{path}: is a safetensors file, but no bundle: `ezhoi bundle export` makes one")
    try:
        value = json_value(about[KEY])
    except ValueError as error:
        raise DataError(f"{path}: its header is no JSON ({error})") from None
    stated = value.get("format") if isinstance(value, dict) else None
    if stated not in (PLAIN, WITH_HEAD):
        raise DataError(
            f"{path}: is of format {shown(stated)}, and this version of ezhoi reads formats {PLAIN} and {WITH_HEAD}: "
            "use the version that made it, or one that reads both"
        )
    try:
        header = Header.model_validate(value)
        if unknown := set(header.unseen) - set(header.classes.ids):
            raise DataError(f"its header calls a class unseen that its vocabulary does not have, {min(unknown)}")
        if strange := set(header.added) - set(header.unseen):
            raise DataError(
                f"its header says that class {min(strange)} was added without training, and not that it is unseen"
            )
        if (header.head != "ezhoi") != (header.format == WITH_HEAD):
            raise DataError(f"its header is of format {header.format}, which has no head {shown(header.head)}")
        if header.clip.tokens != "all" and set(KINDS[header.head].reads) & set(REGION_COLUMNS):
            raise DataError(
                f"its head {shown(header.head)} reads regions of CLIP's tokens, of which its header keeps one alone"
            )
        if header.texts is not None and set(header.texts.descriptions) != set(header.classes.ids):
            raise DataError("its header does not describe the classes of its vocabulary, each once")
    except ValidationError as error:
        raise DataError(f"{path}: its header is not as format {stated} has it: {first_fault(error)}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return header


def _demand_whole(path: Path, header: Header, tensors: Mapping[str, Tensor]) -> None:
    """DataError if a tensor is missing, or shapes and ids do not fit together; the model checks its weights."""
    from models import weight_files  # with torch, which whoever reads the header alone does without

    if missing := [name for name in TEXTS if name not in tensors]:
        raise DataError(f"{path}: has no tensor {shown(missing[0])}")
    for name, value in tensors.items():
        kinds = OF_HEADS if name.startswith(HEAD) else ("torch.int64",) if name == "text.hoi_id" else ("torch.float32",)
        if str(value.dtype) not in kinds:
            raise DataError(
                f"{path}: its tensor {shown(name)} is of type {value.dtype}, and {' or '.join(kinds)} in a bundle"
            )
    if (broken := weight_files.broken(tensors)) is not None:
        raise DataError(f"{path}: its tensor {shown(broken)} has values that are no finite numbers")
    hois, before, after, objects = (tensors[name] for name in TEXTS)
    known = set(header.classes.ids)
    if hois.dim() != 1 or not set(hois.tolist()) <= known:
        raise DataError(f"{path}: text.hoi_id names classes that are not in its vocabulary")
    if len(set(hois.tolist())) < len(hois):
        raise DataError(f"{path}: text.hoi_id names a class twice, and nobody can tell which of its texts is meant")
    if not len(hois) and header.head == "ezhoi":
        raise DataError(f"{path}: has no phrase, so its model tells no class apart")
    if before.shape != after.shape or before.dim() != 2 or len(before) != len(hois):
        raise DataError(
            f"{path}: text.before {tuple(before.shape)} and text.after {tuple(after.shape)} are not a row a phrase"
        )
    if objects.shape != (len(header.classes.objects), before.shape[1]):
        raise DataError(
            f"{path}: objects {tuple(objects.shape)} is not a row for each of {len(header.classes.objects)} objects"
        )
