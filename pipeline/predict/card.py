"""A bundle's model card in Markdown: what it is, what it learned from, its results and its limits."""

from __future__ import annotations

from models.heads.kinds import KINDS
from pipeline.outside.escaping import markdown
from pipeline.predict.bundle import Header

DATASETS = {"world": "the project's rendered world (synthetic drawings)", "hico": "HICO-DET"}
"""The names of the project's datasets in a card."""
LIMITS = (
    "A score ranks; it is no probability. It is the verb's probability times a power of the detector's scores, so another "
    "detector shifts all of them.",
    "It sees nothing that the detector does not box, and it pairs persons with objects of its vocabulary alone.",
    "Unseen classes are recognised from their descriptions. Some are recognised badly; the report of the evaluation has every "
    "class's AP.",
)
SYNTHETIC = "It learned from drawings: on photographs its answers mean nothing."


def means(header: Header) -> str:
    """The means as a table in Markdown."""
    means = {name: value for name, value in header.measured.means.items() if value is not None}
    names = " | ".join(name.replace("_", " ") for name in means)
    values = " | ".join(f"{value:.2f}" for value in means.values())
    return f"| {names} |\n|{'---:|' * len(means)}\n| {values} |"


def _head(header: Header) -> str:
    """The head that scores the pairs, where it is not EZ-HOI's own."""
    return "" if header.head == "ezhoi" else f", head `{header.head}`: {KINDS[header.head].says}"


def _started(header: Header) -> list[str]:
    """The row of the table that says where the training started, if not afresh."""
    if (begun := header.start) is None:
        return []
    datasets = " then ".join(DATASETS.get(name, markdown(name)) for name in begun.datasets)
    learned = f"{begun.training_pairs:,} annotated pairs, {len(begun.labelled):,} classes"
    return [f"| started from | a bundle of {datasets}: {learned} |"]


def _added(header: Header) -> list[str]:
    """The row of the table that names classes which the dataset does not have, if there are any."""
    if not header.added:
        return []
    names = ", ".join(markdown(header.classes.hoi(h).name) for h in header.added)
    return [f"| added without training | {names}: by name and description; nothing measured them |"]


def _used(header: Header) -> str:
    """What the model had learned of its test data, as far as its bundle says it."""
    if header.used is None:
        return "not said"
    few = sum(header.used.examples.values())
    learned = "transductive: it learned from test pictures" if header.used.transductive else "nothing: not transductive"
    return f"{learned}, {f'{few:,} example pairs' if few else 'no example pair'} remembered"


def text(header: Header) -> str:
    """The whole card."""
    vocabulary, measured, detector = header.classes, header.measured, header.detector
    unseen = [markdown(vocabulary.hoi(h).name) for h in header.unseen]
    boxes = (
        detector.note or f"{detector.name} ({detector.source}; trained on {detector.trained_on or 'data not known'})"
    )
    counted = "" if measured.images is None else f" in {measured.images:,} images"
    if measured.on == "validation":
        counted += ", of validation scenes, on which the configuration is chosen"
    data = DATASETS.get(header.dataset, markdown(header.dataset))
    limits = [*([SYNTHETIC] if header.dataset == "world" else []), *LIMITS]
    lines = [
        f"# Zero-shot human-object interaction detection, {markdown(header.dataset)}, {markdown(header.setting)}",
        "",
        "It finds who does what with which object in a picture, by the method [EZ-HOI](https://arxiv.org/abs/2410.23904), for "
        f"{len(vocabulary.classes)} classes of a verb and an object. Of {len(unseen)} of them it saw no labelled pair.",
        "",
        "```sh",
        "ezhoi predict PICTURES --model bundle.safetensors",
        "```",
        "",
        "| | |",
        "|---|---|",
        f"| method | EZ-HOI, preset `{header.preset}`{_head(header)}, made with ezhoi {markdown(header.made_with)} |",
        f"| CLIP | `{markdown(header.clip.architecture)}`, weights `{markdown(header.clip.weights)}`, "
        f"{header.clip.image_size} pixels, digest `{markdown(header.clip.digest[:16])}`; not in the file |",
        f"| learned from | {data}, {header.training_pairs:,} annotated pairs |",
        *_started(header),
        *_added(header),
        f"| boxes at evaluation | {markdown(boxes)} |",
        f"| of what it was tested on | {_used(header)} |",
        "| licence | Apache-2.0 for what is in the file; CLIP, the detector and the data have their own |",
        "",
        "## What it reached",
        "",
        f"mAP in percent, protocol `{markdown(measured.protocol)}`, {measured.annotated_pairs:,} annotated pairs{counted}:",
        "",
        means(header),
        "",
        "## Limits",
        "",
        *(f"- {line}" for line in limits),
        "",
        f"## Classes that it saw no labelled pair of ({len(unseen)})",
        "",
        ", ".join(unseen) or "None.",
        "",
    ]
    return "\n".join(lines)
