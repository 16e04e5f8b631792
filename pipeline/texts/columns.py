"""Columns of texts: what the text is and what produced it, kept apart from how that went on this machine.

The first kind goes into the table that later stages read, whose digest thus says whether a text changed. The second
kind (latencies, token counts, tries, times) is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.texts.llm.ask import Asked

PRODUCED: dict[str, pa.DataType] = {
    "text": pa.string(),
    "sentences": pa.list_(pa.string()),
    "source": pa.string(),
    "origin": pa.string(),
    "verdict": pa.string(),
    "template": pa.string(),
    "template_version": pa.int64(),
    "model": pa.string(),
    "revision": pa.string(),
    "system": pa.string(),
    "prompt": pa.string(),
    "pictures": pa.list_(pa.string()),
    "temperature": pa.float64(),
    "top_p": pa.float64(),
    "max_tokens": pa.int64(),
    "seed": pa.int64(),
    "finish_reason": pa.string(),
}
"""Columns of every text, whatever its source (lexicon, llm, file, edit).

`origin` is the file and place of a text that a user gave, `verdict` that of the quality gate; the columns of a prompt are null
where there was none; `pictures` are digests.
"""

MEASURED: dict[str, pa.DataType] = {
    "model_root": pa.string(),
    "server": pa.string(),
    "answered_by": pa.string(),
    "attempts": pa.int64(),
    "tries": pa.int64(),
    "prompt_tokens": pa.int64(),
    "completion_tokens": pa.int64(),
    "latency_s": pa.float64(),
    "asked_at": pa.string(),
    "request": pa.string(),
}
"""Columns of how a language model's answer came about; `request` is its key in `answers.jsonl`."""

ANSWERS_SOURCE = "llm"


def produced(asked: Asked, sentences: Sequence[str]) -> dict[str, Any]:
    """The columns `PRODUCED` of a language model's text."""
    request = asked.request
    return {
        "text": asked.text,
        "sentences": list(sentences),
        "source": ANSWERS_SOURCE,
        "verdict": asked.verdict,
        "template": request.template,
        "template_version": request.template_version,
        "model": request.model,
        "revision": request.revision,
        "system": request.system or None,
        "prompt": request.prompt,
        "pictures": list(request.pictures),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "finish_reason": asked.answer.finish_reason,
    }


def measured(asked: Asked) -> dict[str, Any]:
    """The columns `MEASURED` of a language model's text."""
    answer = asked.answer
    return {
        "model_root": asked.request.root,
        "server": answer.server,
        "answered_by": answer.answered_by,
        "attempts": asked.attempts,
        "tries": answer.tries,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "latency_s": answer.latency_s,
        "asked_at": answer.asked_at,
        "request": asked.request.key,
    }


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> pa.Table:
    """Rows as a table of exactly these columns; what a row lacks is null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(list(columns.items())))


def frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> pd.DataFrame:
    """The same table as a data frame; whole numbers stay whole where some are missing."""
    return table(rows, columns).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def write(path: Path, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> None:
    """Rows as a Parquet file of exactly these columns."""
    pq.write_table(table(rows, columns), path)
