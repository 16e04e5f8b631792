"""What a check of a data set finds: its files, its counts, its images, and what is missing or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.datasets.faults import SHOWN, Fault

Verdict = Literal["complete", "usable", "unusable"]
"""`complete`: everything as published. `usable`: something is missing or differs, and the findings say what for.
`unusable`: a split cannot be read, or rows or images are faulty; training on it would stop, or need data.faults = skip."""


@dataclass(frozen=True)
class Finding:
    """Something worth knowing: a fault (stops the pipeline), a gap (changes some result), or a note (changes none)."""

    level: Literal["fault", "gap", "note"]
    what: str
    affects: str = ""
    examples: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class ImageCheck:
    """How many files were expected, are there and were decoded whole, and how many have which fault."""

    expected: int
    present: int
    decoded: bool
    unreadable: int
    other_size: int
    not_annotated: int


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


def faulty_rows(name: str, faults: Sequence[Fault], *, affects: str) -> list[Finding]:
    """The finding that a file has faulty rows, with the first of them; none if it has none."""
    if not faults:
        return []
    examples = tuple(map(str, faults[:SHOWN]))
    return [Finding("fault", f"{name}: {len(faults):,} faulty rows", affects, examples, len(faults))]
