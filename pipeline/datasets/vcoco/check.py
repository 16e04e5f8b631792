"""What is missing or wrong in V-COCO's pair files, and which results that affects."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.findings import FileSummary, Finding, Report, faulty_rows
from pipeline.datasets.vcoco import reader
from pipeline.errors import DataError
from pipeline.outside import reading


def add_to(report: Report, path: Path) -> list[str]:
    """Add what is found in V-COCO's files at a path to a report, if that is what lies there; return their names."""
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
        affects = "this file is not read unless they may be left out"
        report.findings += faulty_rows(file.name, found.faults, affects=affects)
    return [file.name for file in files]
