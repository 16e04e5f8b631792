"""Check a folder or file of HICO-DET or V-COCO without changing it: what it is, what is missing, which results that affects.

report = check(Path("hico_20160224_det"))
print(report.verdict, report.says)
"""

from __future__ import annotations

import time
from pathlib import Path

from pipeline.datasets.findings import Finding, Report
from pipeline.datasets.hico import check as hico
from pipeline.datasets.hico import folder
from pipeline.datasets.hico.check import Images
from pipeline.datasets.vcoco import check as vcoco
from pipeline.outside import walking


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
    where = folder.look(path)
    if passed := walking.skipped_line(where.passed):
        report.findings.append(Finding("note", passed, affects="what lies in them is not looked at"))
    if found := vcoco.add_to(report, path):
        report.says = f"V-COCO pair annotation: {', '.join(found)}"
    else:
        hico.add_to(report, where, images, whole=path.is_dir())
    levels = {finding.level for finding in report.findings}
    report.verdict = "unusable" if "fault" in levels else "usable" if "gap" in levels else "complete"
    report.seconds = round(time.perf_counter() - started, 2)
    return report
