"""What the evaluation commands share: options for detections, annotations and protocols, and how these are read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from pipeline.config.evaluation import ProtocolName
from pipeline.errors import ConfigError
from pipeline.outside.parsing import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.metrics import results
    from pipeline.metrics.annotations import Annotations
    from pipeline.metrics.detections import Detections
    from pipeline.metrics.protocols import Protocol

MOST_RESAMPLES = 100_000
"""The most draws of a bootstrap, each of which keeps two numbers per class."""


class Mode(StrEnum):
    default = "default"
    known_object = "known-object"
    both = "both"


PROTOCOL_NAMES = ", ".join(get_args(ProtocolName))
"""The names of the evaluation protocols, for help texts."""
DetectionsFile = Annotated[
    Path,
    typer.Option(
        "--detections",
        "-d",
        help="Parquet; JSON of QPIC's, named or COCO's layout; a folder of detections_NN.mat.",
    ),
]
AnnotationsFile = Annotated[
    Path,
    typer.Option(
        "--annotations",
        "-a",
        help="Parquet of pairs, a folder with test-pairs.parquet or pairs.parquet, or HICO-DET's own file.",
    ),
]
ImagesFile = Annotated[Path | None, typer.Option("--images", help="Parquet list of all images of the split.")]
Split = Annotated[
    Literal["train", "val", "test"],
    typer.Option(help="The split: its rows of tables with a column `split`, or its own tables."),
]
Classes = Literal["annotated", "vcoco"]
Boxes = Annotated[
    Literal["continuous", "pixel1_inclusive"] | None,
    typer.Option("--annotation-boxes", help="The convention of the annotated boxes, if the file does not say it."),
]


def read_annotations(path: Path, images: Path | None, labels: Path | None, boxes: Boxes, split: Split) -> Annotations:
    """Read annotations in any known format."""
    from pipeline.metrics import annotations

    return annotations.read(path, images=images, image_labels=labels, split=split, convention=boxes)


def read_detections(path: Path, truth: Annotations, classes: Classes = "annotated") -> Detections:
    """Read detections in any known format and check them against the annotations; V-COCO's compositions are translated."""
    import dataclasses

    from pipeline.datasets.vcoco import classes as vcoco
    from pipeline.metrics import detections, table_metadata
    from pipeline.metrics.vcoco import translation

    frame, notes = detections.read(path, truth.groups.vocabulary)
    about = table_metadata.of_table(path)
    named = vcoco.vocabulary() if classes == "vcoco" else truth.groups.vocabulary
    frame, more = table_metadata.placed(frame, about, named, name=str(path))
    notes = [*notes, *more]
    if classes == "vcoco":
        frame, note = translation.to_hico(frame, truth.groups.vocabulary, name=str(path))
        notes = [*notes, note]
    found = detections.check(frame, truth, name=str(path))
    return dataclasses.replace(found, notes=(*notes, *found.notes), metadata=about)


def with_vcocos_classes(truth: Annotations) -> Annotations:
    """The annotations with a setting `vcoco`, in which the classes that V-COCO lacks are unseen.

    ConfigError if the annotations are not of HICO-DET's classes.
    """
    import dataclasses

    from pipeline.metrics.vcoco import translation

    groups = truth.groups
    if not groups.hico:
        raise ConfigError(f"--classes vcoco: these annotations are of {groups.vocabulary.name}, not of HICO-DET")
    lacks = frozenset(groups.classes) - translation.classes_of_roles(groups.vocabulary)
    return dataclasses.replace(truth, groups=dataclasses.replace(groups, unseen={**groups.unseen, "vcoco": lacks}))


def protocols_of(names: list[str], switches: list[str]) -> list[Protocol]:
    """The named protocols, all of them for "all", each with the switches; ConfigError for an unknown one."""
    from pipeline.metrics.protocols import PROTOCOLS, protocol_named, with_switches

    wanted = list(PROTOCOLS) if "all" in names else list(dict.fromkeys(names))
    try:
        return [with_switches(protocol_named(name), switches) for name in wanted]
    except ValueError as error:
        raise ConfigError(str(error)) from None


def modes_of(mode: Mode) -> Sequence[results.Mode]:
    """The evaluation modes that an option chooses."""
    from pipeline.metrics import results

    return results.MODES if mode is Mode.both else (results.MODES[mode is Mode.known_object],)


def setting_of(name: str, truth: Annotations) -> str:
    """The zero-shot setting of a name; ConfigError if these annotations have none of that name."""
    setting = name.lower().replace("-", "_")
    if setting not in truth.groups.unseen:
        raise ConfigError(f"no setting {shown(name)} for these annotations; there are {', '.join(truth.groups.unseen)}")
    return setting


def say(notes: Iterable[str]) -> None:
    """Print notes to the error stream, because the output may be JSON."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
