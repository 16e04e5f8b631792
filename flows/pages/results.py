"""A result as lines, for terminals and logs."""

from __future__ import annotations

from pathlib import Path

from flows.pages.markdown import result_rows
from pipeline.metrics.means import MAIN
from pipeline.store.artifact import Artifact


def use_line(bundle: Artifact) -> str:
    """The line that says how to use the model of a bundle."""
    return f"use it: ezhoi predict PICTURES --model {bundle.fingerprint[:12]}"


def result_lines(evaluation: Artifact, report: Path | None = None) -> list[str]:
    """The table of mAP and the place of the report: that of the run, or else that of the evaluation."""
    lines = []
    if rows := result_rows(evaluation.manifest.metrics):
        width = max(12, *(len(label) for label, *_ in rows))
        lines.append(f"{'mAP, %':<{width}}" + "".join(f"{name:>9}" for name in MAIN))
        lines += [f"{label:<{width}}" + "".join(f"{value:>9}" for value in values) for label, *values in rows]
    reports = [name for name in ("report.html", "report.md") if name in evaluation.names()]
    if report is not None:
        lines.append(f"report: {report}")
    elif reports:
        lines.append(f"report: {evaluation.path(reports[0])}")
    else:
        lines.append(f"artifact: {evaluation.place}")
    return lines
