"""A split's annotation against the published counts, and what a difference means for results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.datasets.dataset import RARE_BELOW
from pipeline.datasets.findings import Finding
from pipeline.datasets.hico.settings import RARE
from pipeline.datasets.hico.tables import BOXES, Tables
from pipeline.datasets.hico.vocabulary import HICO, TEST_COUNTS, TRAIN_COUNTS
from pipeline.vocabulary.vocabulary import Hoi

IMAGES = {"train": 38_118, "test": 9_658}
EMPTY = {"train": 485, "test": 112}
"""How many images of each split have no pair with boxes."""


def official(split: str) -> list[int]:
    """Published pairs of each class: 117,871 in training, 33,405 in the test set."""
    return list(TRAIN_COUNTS if split == "train" else TEST_COUNTS)


def compare(tables: Tables, split: str, file_list: Sequence[str] | None = None) -> tuple[dict[str, Any], list[Finding]]:
    """Counts of a split, with every class that differs, and what the differences affect.

    Args:
        tables: the split's images and pairs.
        split: "train" or "test".
        file_list: the official file names, where `anno.mat` tells them.
    """
    have = tables.pairs["hoi_id"].value_counts()
    rows = [(c, int(have.get(c.hoi_id, 0)), n) for c, n in zip(HICO.classes, official(split), strict=True)]
    summary = {
        "images": len(tables.images),
        "official_images": IMAGES[split],
        "images_without_pairs": int((tables.images["n_pairs"] == 0).sum()),
        "pairs": len(tables.pairs),
        "official_pairs": sum(official(split)),
        "classes_that_differ": [
            {"hoi_id": c.hoi_id, "class": c.name, "pairs": n, "official": m} for c, n, m in rows if n != m
        ],
    }
    findings = [
        *_pairs(rows, split),
        *_images(tables, split, complete=all(n >= m for _, n, m in rows), file_list=file_list),
        *_doubles(tables, split),
    ]
    return summary, findings


def _pairs(rows: list[tuple[Hoi, int, int]], split: str) -> list[Finding]:
    short = [(c, n, m) for c, n, m in rows if n < m]
    more = [(c, n, m) for c, n, m in rows if n > m]
    found = []
    if short:
        missing = sum(m - n for _, n, m in short)
        idle = all(c.idle for c, _, _ in short)
        found.append(
            Finding(
                "gap",
                f"{split}: {missing:,} of {sum(official(split)):,} pairs are missing, in {len(short)} classes"
                + (", all of them no_interaction" if idle else ""),
                affects=_affects(short, split, idle),
                examples=tuple(f"{c.name}: {n} of {m}" for c, n, m in sorted(short, key=lambda r: r[1] - r[2])[:5]),
                count=missing,
            )
        )
    if more:
        found.append(
            Finding(
                "gap",
                f"{split}: {sum(n - m for _, n, m in more):,} pairs more than published, in {len(more)} classes",
                affects="results are not comparable with published ones",
                examples=tuple(f"{c.name}: {n}, published {m}" for c, n, m in more[:5]),
                count=sum(n - m for _, n, m in more),
            )
        )
    return found


def _affects(short: list[tuple[Hoi, int, int]], split: str, idle: bool) -> str:
    if split == "test":
        return f"every mAP that includes one of these {len(short)} classes: not comparable with published results"
    untaught = [c.name for c, n, _ in short if n == 0]
    rarer = [c for c, n, _ in short if n < RARE_BELOW and c.hoi_id not in RARE]
    parts = [f"training on these {len(short)} classes" + ("; no interactive class is touched" if idle else "")]
    if untaught:
        parts.append(f"{len(untaught)} classes have no training pair left, for example {untaught[0]}")
    parts.append(
        f"{len(rarer)} classes fall under {RARE_BELOW} pairs; rare stays the official list"
        if rarer
        else "rare classes stay the same"
    )
    return "; ".join([*parts, "test results are counted as published"])


def _images(tables: Tables, split: str, *, complete: bool, file_list: Sequence[str] | None) -> list[Finding]:
    missing = IMAGES[split] - len(tables.images)
    found = []
    if missing > 0:
        empty = complete and missing <= EMPTY[split]
        names = sorted(set(file_list) - set(tables.images["file_name"]))[:5] if file_list else []
        if not empty:
            affects = "every result"
        elif split == "test":
            affects = "the official protocol, in which false positives in these images count (UPT's leaves them out)"
        else:
            affects = "nothing: training reads pairs"
        found.append(
            Finding(
                "gap",
                f"{split}: {missing:,} of {IMAGES[split]:,} images are not listed"
                + (", those without pairs" if empty else ""),
                affects=affects,
                examples=tuple(names),
                count=missing,
            )
        )
    unsized = tables.images[(tables.images["width"] == 0) | (tables.images["height"] == 0)]
    if len(unsized):
        pairs = int((unsized["n_pairs"] > 0).sum())
        found.append(
            Finding(
                "note" if not pairs else "gap",
                f"{split}: {len(unsized):,} images have no size in the annotation, {pairs:,} of them with pairs",
                affects="nothing if the image files are there: their sizes are read from them"
                + ("; without the files this annotation cannot be used" if pairs else ""),
                count=len(unsized),
            )
        )
    return found


def _doubles(tables: Tables, split: str) -> list[Finding]:
    twice = tables.pairs[tables.pairs.duplicated(["image_id", "hoi_id", *BOXES])]
    if not len(twice):
        return []
    return [
        Finding(
            "note",
            f"{split}: pairs that repeat another one, boxes and class: {len(twice):,}",
            affects="nothing: they are kept, as in the source",
            examples=tuple(f"{r.file_name}: {HICO.hoi(int(str(r.hoi_id))).name}" for r in twice.head(5).itertuples()),
            count=len(twice),
        )
    ]
