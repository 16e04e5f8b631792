"""Check a HICO-DET folder or file without changing it: what it is, what is missing, and which results that affects.

    report = check(Path("hico_20160224_det"))
    print(report.verdict, report.says)

`complete`: everything as published. `usable`: something is missing or differs, and the findings say what for.
`unusable`: a split cannot be read, or rows or images are faulty; training on it would stop, or need data.faults = skip.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.datasets.hico import folder as folders
from pipeline.datasets.hico.counts import Finding, compare
from pipeline.datasets.hico.folder import Folder
from pipeline.datasets.hico.image_check import ImageCheck, look_over
from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.layouts.detect import Labels
from pipeline.datasets.hico.loading import ambiguous_folders, in_order
from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.tables import Tables
from pipeline.datasets.vcoco import reader
from pipeline.errors import DataError
from pipeline.outside import reading, walking

Verdict = Literal["complete", "usable", "unusable"]
Images = Literal["none", "headers", "decode"]
EXAMPLES = 5
NO_LABELS = (
    "the known-object mode: it takes the classes annotated with boxes in place of the labels, which changes few classes "
    "and little"
)

MERGED = (
    "comparison with methods that train on the official boxes (UPT, EZ-HOI): some training boxes differ by a few pixels"
)


@dataclass(frozen=True)
class FileSummary:
    """One annotation file: its layout, what the reader concluded, and what it holds by split."""

    file: str
    layout: str
    notes: tuple[str, ...]
    images: dict[str, int]
    pairs: dict[str, int]
    used_for: tuple[str, ...] = ()


@dataclass
class Report:
    """What was found. `splits` has counts and the per-class differences; `findings` the gaps and faults in words."""

    path: str
    verdict: Verdict = "complete"
    says: str = ""
    files: list[FileSummary] = field(default_factory=list)
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: ImageCheck | None = None
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0


def check(path: Path, *, images: Images = "headers") -> Report:
    """Check a folder or one annotation file.

    Args:
        path: what to look at; it is only read.
        images: whether to open the image files, if there are any, and whether to decode them whole.

    Raises:
        DataError: there is no file or folder at the path.
    """
    walking.demand(path)
    started = time.perf_counter()
    report = Report(str(path))
    where = folders.look(path)
    if passed := walking.skipped_line(where.passed):
        report.findings.append(Finding("note", passed, affects="what lies in them is not looked at"))
    if found := _vcoco(path, report):
        report.says = f"V-COCO pair annotation: {', '.join(found)}"
    else:
        _hico(where, report, images, whole=path.is_dir())
    levels = {finding.level for finding in report.findings}
    report.verdict = "unusable" if "fault" in levels else "usable" if "gap" in levels else "complete"
    report.seconds = round(time.perf_counter() - started, 2)
    return report


def _hico(where: Folder, report: Report, images: Images, *, whole: bool) -> None:
    """`whole`: a folder, which ought to have everything; a single file is checked only for what it has."""
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
            report.findings += _faulty_rows(found.file, found.rows) if found.fresh else []
            parts |= {split: found.tables[split] for split in found.fresh}
    for path in where.nowhere:
        report.findings.append(
            Finding("gap", f"{path.name}: {folders.link_to_nowhere(path)}", affects="what it would tell")
        )
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


def _faulty_rows(path: Path, rows: Rows) -> list[Finding]:
    faults = rows.faults.found
    if not faults:
        return []
    return [
        Finding(
            "fault",
            f"{path.name}: {len(faults):,} faulty rows",
            affects="the stage `annotations` stops at them, unless data.faults = skip leaves them out",
            examples=tuple(map(str, faults[:EXAMPLES])),
            count=len(faults),
        )
    ]


def _summary(path: Path, rows: Rows, by_split: dict[str, Tables], used_for: tuple[str, ...]) -> FileSummary:
    def count(of: Callable[[Tables], int]) -> dict[str, int]:
        return {split: of(tables) for split, tables in by_split.items() if len(tables.images)}

    images, pairs = count(lambda t: len(t.images)), count(lambda t: len(t.pairs))
    return FileSummary(str(path), rows.layout, tuple(rows.notes), images, pairs, used_for)


def _vcoco(path: Path, report: Report) -> list[str]:
    """Summarise V-COCO files, if that is what lies here; returns their names."""
    files = [path] if path.is_file() else reader.files(path)
    if path.is_file():
        known = ".json" in path.name.lower() and reader.matches(reading.json_value(path, largest=reading.LARGEST_DATA))
        if not known:
            return []
    for file in files:
        split = next((s for s in reader.SPLITS if s in file.name.removeprefix("instances_vcoco")), "test")
        if split in report.splits:
            what = f"{file.name}: not read: a file before it tells the {split} images"
            report.findings.append(Finding("note", what, affects="nothing: it is not used"))
            continue
        try:
            found = reader.read(file, skip=True)
        except DataError as error:
            report.findings.append(Finding("fault", str(error), affects="everything in this file"))
            continue
        images, pairs = len(found.images), len(found.pairs)
        report.files.append(FileSummary(str(file), "vcoco", (), {split: images}, {split: pairs}, (split,)))
        report.splits[split] = {
            "images": images,
            "official_images": reader.IMAGES[split],
            "pairs": pairs,
            "official_pairs": reader.PAIRS[split],
        }
        if (images, pairs) != (reader.IMAGES[split], reader.PAIRS[split]):
            report.findings.append(
                Finding("gap", f"{file.name}: not the published number of images or pairs", affects="V-COCO results")
            )
        if found.faults:
            report.findings.append(
                Finding(
                    "fault",
                    f"{file.name}: {len(found.faults):,} faulty rows",
                    affects="this file is not read unless they may be left out",
                    examples=tuple(map(str, found.faults[:EXAMPLES])),
                    count=len(found.faults),
                )
            )
    return [file.name for file in files]
