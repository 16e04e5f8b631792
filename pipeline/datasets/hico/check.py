"""What is missing or wrong in a folder or file of HICO-DET, and which results that affects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pipeline.datasets.findings import FileSummary, Finding, Report, faulty_rows
from pipeline.datasets.folder import Folder, link_to_nowhere
from pipeline.datasets.hico.counts import compare
from pipeline.datasets.hico.image_check import look_over
from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.layouts.detect import Labels
from pipeline.datasets.hico.loading import ambiguous_folders, in_order
from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.tables import Tables
from pipeline.errors import DataError

Images = Literal["none", "headers", "decode"]
STOPS = "the stage `annotations` stops at them, unless data.faults = skip leaves them out"
NO_LABELS = (
    "the known-object mode: it takes the classes annotated with boxes in place of the labels, which changes few classes "
    "and little"
)

MERGED = (
    "comparison with methods that train on the official boxes (UPT, EZ-HOI): some training boxes differ by a few pixels"
)


def add_to(report: Report, where: Folder, images: Images, *, whole: bool) -> None:
    """Add what is found in a folder of HICO-DET to a report.

    Args:
        images: whether to open the image files, if there are any, and whether to decode them whole.
        whole: whether it is a folder, which ought to have everything; a single file is checked only for what it has.
    """
    parts, labels = _read_all(where, report)
    for split, impossible in (("train", "training"), ("test", "evaluation")):
        if split in parts:
            report.splits[split], findings = compare(parts[split], split, labels.lists.get(split) if labels else None)
            report.findings += findings
        elif whole:
            report.findings.append(
                Finding("fault", f"no annotation of the {split} images", f"{impossible}: impossible")
            )
    if whole and parts and labels is None:
        report.findings.append(Finding("gap", "no anno.mat, the labels of whole images", NO_LABELS))
    if whole and not where.images:
        report.findings.append(
            Finding("gap", "no image folders (train2015, test2015)", "detections and image embeddings")
        )
    if images != "none" and parts and where.images:
        where = where.with_images_of({split: tables.images["file_name"] for split, tables in parts.items()})
        report.findings += [Finding("note", what) for what in ambiguous_folders(where)]
        report.images, findings = look_over(where, parts, decode=images == "decode")
        report.findings += findings
    if any(f.layout == "ppdm" and "train" in f.used_for for f in report.files):
        report.findings.append(Finding("note", "PPDM's training file merges boxes that nearly coincide", MERGED))
    report.says = "; ".join(["HICO-DET", *_layouts(report.files)])
    if not any(f.used_for for f in report.files):
        report.says = "labels of whole images (anno.mat), without boxes" if labels else "no annotation that can be read"


def _layouts(files: list[FileSummary]) -> list[str]:
    """The layouts in use, each with what all its files have in common."""
    used: dict[str, list[FileSummary]] = {}
    for file in files:
        if file.used_for:
            used.setdefault(file.layout, []).append(file)
    shared = {layout: [n for n in same[0].notes if all(n in f.notes for f in same)] for layout, same in used.items()}
    return [", ".join([detect.TITLES[layout], *notes]) for layout, notes in shared.items()]


def _read_all(where: Folder, report: Report) -> tuple[dict[str, Tables], Labels | None]:
    """Each split from the first file that has it, as `dataset.load` takes it; the other files are reported."""
    parts: dict[str, Tables] = {}
    labels: Labels | None = None
    for found in in_order(where):
        if found.error is not None:
            report.findings.append(Finding("fault", str(found.error), affects="everything in this file"))
        elif found.labels is not None:
            labels = found.labels
        elif found.rows is None:
            report.findings.append(
                Finding("note", f"{found.file.name}: {found.why_not}", affects="nothing: it is not used")
            )
        else:
            report.files.append(_summary(found.file, found.rows, found.tables, found.fresh))
            report.findings += (
                faulty_rows(found.file.name, found.rows.faults.found, affects=STOPS) if found.fresh else []
            )
            parts |= {split: found.tables[split] for split in found.fresh}
    for path in where.nowhere:
        report.findings.append(Finding("gap", f"{path.name}: {link_to_nowhere(path)}", affects="what it would tell"))
    if where.labels:
        labels = _labels(where.labels, report)
    return parts, labels


def _labels(path: Path, report: Report) -> Labels | None:
    try:
        if isinstance(found := detect.read(path), Labels):
            return found
        fault = f"{path}: is not the anno.mat of whole images"
    except DataError as error:
        fault = str(error)
    report.findings.append(Finding("fault", fault, affects="everything in this file"))
    return None


def _summary(path: Path, rows: Rows, by_split: dict[str, Tables], used_for: tuple[str, ...]) -> FileSummary:
    def count(of: Callable[[Tables], int]) -> dict[str, int]:
        return {split: of(tables) for split, tables in by_split.items() if len(tables.images)}

    images, pairs = count(lambda t: len(t.images)), count(lambda t: len(t.pairs))
    return FileSummary(str(path), rows.layout, tuple(rows.notes), images, pairs, used_for)
