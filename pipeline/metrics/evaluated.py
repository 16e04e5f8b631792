"""What is kept of an evaluation in its folder, so that it can be compared with others: its report, and every hit and miss."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, ValidationError

from pipeline.errors import DataError
from pipeline.metrics.average_precision import Rule
from pipeline.metrics.evaluation import Judged
from pipeline.metrics.table_metadata import LARGEST_ID
from pipeline.outside import reading
from pipeline.outside.columns import MOST_ROWS
from pipeline.outside.parsing import first_fault

JUDGED, ANNOTATED, REPORT = "judged.parquet", "annotated.parquet", "report.json"


def save(folder: Path, judged: Judged) -> None:
    """Save what a comparison needs beside the report: ``judged.parquet`` (the ranked detections: image, hoi_id, score, hit) and
    ``annotated.parquet`` (image and hoi_id of every annotated pair); images by their place in the list."""
    ids = np.int16 if max(judged.hoi.max(initial=0), judged.truth_hoi.max(initial=0)) < 1 << 15 else np.int32
    ranked = {"image": judged.image.astype(np.int32), "hoi_id": judged.hoi.astype(ids)}
    detections = pd.DataFrame(ranked | {"score": judged.score.astype(np.float32), "hit": judged.hit})
    detections.to_parquet(folder / JUDGED, index=False, compression="zstd")
    annotated = {"image": judged.truth_image.astype(np.int32), "hoi_id": judged.truth_hoi.astype(ids)}
    pd.DataFrame(annotated).to_parquet(folder / ANNOTATED, index=False, compression="zstd")


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """An evaluation's folder, loaded."""

    folder: Path
    report: Mapping[str, Any]
    judged: Judged


class _Switches(BaseModel):
    rule: Rule


class _Result(BaseModel):
    switches: _Switches


class _Class(BaseModel):
    hoi_id: Annotated[StrictInt, Field(ge=0, le=LARGEST_ID)]
    name: StrictStr
    unseen: StrictBool
    rare: StrictBool
    test_pairs: StrictInt


class _Counts(BaseModel):
    images: Annotated[StrictInt, Field(ge=0, le=MOST_ROWS)] | None


class _Report(BaseModel):
    """What a comparison reads of a report, which may have come from elsewhere."""

    protocol: StrictStr
    mode: StrictStr
    setting: StrictStr
    results: Annotated[list[_Result], Field(min_length=1)]
    per_class: Annotated[list[_Class], Field(min_length=1)]
    counts: _Counts
    notes: list[Any] = []
    detector: dict[str, Any] | None = None


def load(folder: Path) -> Evaluated:
    """Load what :func:`save` and the report wrote.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    try:
        text = (folder / REPORT).read_text(encoding="utf-8")
        _Report.model_validate_json(text)
        report = json.loads(text)
        detections, annotated = (pd.read_parquet(folder / name) for name in (JUDGED, ANNOTATED))
        judged = Judged(
            row=np.arange(len(detections)),
            image=detections["image"].to_numpy(dtype=np.int64),
            hoi=detections["hoi_id"].to_numpy(dtype=np.int64),
            score=detections["score"].to_numpy(dtype=np.float64),
            hit=detections["hit"].to_numpy(dtype=np.bool_),
            truth_image=annotated["image"].to_numpy(dtype=np.int64),
            truth_hoi=annotated["hoi_id"].to_numpy(dtype=np.int64),
        )
    except ValidationError as error:
        raise DataError(f"{folder / REPORT}: is no report of an evaluation ({first_fault(error)})") from None
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise DataError(
            f"{folder}: not the folder of an evaluation ({reading.why(error)}); one has {REPORT}, {JUDGED}, {ANNOTATED}"
        ) from error
    return Evaluated(folder=folder, report=report, judged=judged)
