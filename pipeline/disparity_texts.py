"""How an unseen class differs from its nearest seen class, in words (the texts behind Eq. 4 and 5).

From the lexicon: what differs in the two classes' entries. From a language model: its answer to a contrast prompt.
Where the user edited the description of one of the two, the lexicon's entries no longer say what the classes look like:
then the disparity is made of those sentences of the unseen class's description that the seen class's does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline import sentences
from pipeline.config import Config
from pipeline.errors import DataError
from pipeline.hico.vocabulary import hoi_classes
from pipeline.lexicon import lexicon
from pipeline.llm import columns
from pipeline.llm.ask import Accepted, Progress, Question, ask_all
from pipeline.llm.journal import PUBLISHED, Journal, earlier_journals
from pipeline.llm.judge import normalised
from pipeline.llm.templates import Template, contrast_template

Pair = tuple[int, int]
"""(hoi_id of the unseen class, hoi_id of its nearest seen class)"""
PAIR: dict[str, pa.DataType] = {"hoi_id": pa.int64(), "seen_hoi_id": pa.int64()}


def quiet(done: int, total: int, note: str) -> None:
    """Report nothing."""


def write(
    pairs: Sequence[Pair],
    *,
    config: Config,
    descriptions: pd.DataFrame,
    journal: Path,
    progress: Progress = quiet,
    keep: Path | None = None,
) -> pd.DataFrame:
    """One row a pair, in the order of `pairs`: hoi_id, seen_hoi_id, and the columns `columns.PRODUCED`.

    Args:
        pairs: Unseen classes with their nearest seen classes.
        descriptions: The table of stage `descriptions`; it must have a row for every class in `pairs`.
        journal: File in the stage's scratch folder that keeps the answers of a language model.
        progress: Told (done, total, note) as answers come in.
        keep: Folder (the stage's `work.out`) that gets `provenance.parquet`, and `answers.jsonl` where a language model
            was asked: how it went, which later stages do not read.

    Raises:
        DataError: a class has no description, or a language model gave no usable text for it.
        ConfigError: no such template.
        ServiceError: the language model's server cannot be used.
    """
    rows = [{str(key): value for key, value in row.items()} for row in descriptions.to_dict("records")]
    described = {int(row["hoi_id"]): row for row in rows}
    missing = sorted({hoi_id for pair in pairs for hoi_id in pair} - described.keys())
    if missing:
        names = ", ".join(hoi_classes()[hoi_id].name for hoi_id in missing)
        raise DataError(f"descriptions.parquet: no description of {names}. Run the stage descriptions again.")
    by_model = config.disparities.source == columns.ANSWERS_SOURCE
    template = contrast_template(config.disparities.template) if by_model else None
    # A prompt that shows both descriptions knows an edited one; any other way does not.
    own = {
        pair
        for pair in pairs
        if not (template and template.shows_descriptions)
        and any(described[hoi_id]["source"] == "edit" for hoi_id in pair)
    }
    asked = [pair for pair in pairs if pair not in own] if template else []
    accepted: dict[Pair, Accepted] = {}
    if template:
        accepted = _ask(asked, template, described, config, journal, progress, keep)
    if keep is not None:
        measures = [
            {"hoi_id": pair[0], "seen_hoi_id": pair[1], **columns.measured(answer)} for pair, answer in accepted.items()
        ]
        columns.write(keep / "provenance.parquet", measures, PAIR | columns.MEASURED)
    texts = [_row(pair, config.disparities.template, described, accepted.get(pair), pair in own) for pair in pairs]
    return columns.frame(texts, PAIR | columns.PRODUCED)


def difference(text: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """The sentences that the other description does not have, up to punctuation and case; all if it has them all."""
    known = {normalised(sentence) for sentence in other}
    own = tuple(sentence for sentence in text if normalised(sentence) not in known)
    return own or tuple(text)


def _ask(
    pairs: Sequence[Pair],
    template: Template,
    described: dict[int, dict[str, Any]],
    config: Config,
    path: Path,
    progress: Progress,
    keep: Path | None,
) -> dict[Pair, Accepted]:
    questions = []
    for unseen_id, seen_id in pairs:
        unseen, seen = hoi_classes()[unseen_id], hoi_classes()[seen_id]
        questions.append(
            Question(
                name=f"{unseen.name} (unlike {seen.name})",
                prompt=template.render(
                    unseen, seen=seen, text=described[unseen_id]["text"], seen_text=described[seen_id]["text"]
                ),
                object_name=unseen.object.replace("_", " "),
            )
        )
    with Journal(path, earlier=earlier_journals(path.parent)) as answers:
        accepted, _ = ask_all(questions, template=template, llm=config.llm, journal=answers, progress=progress)
        if keep is not None:
            answers.publish(keep / PUBLISHED)
    return dict(zip(pairs, accepted, strict=True))


def _row(
    pair: Pair, template: str, described: dict[int, dict[str, Any]], answer: Accepted | None, own: bool
) -> dict[str, Any]:
    unseen_id, seen_id = pair
    ids = {"hoi_id": unseen_id, "seen_hoi_id": seen_id}
    if answer is not None:
        return ids | columns.produced(answer, sentences.split(answer.text))
    if own:
        parts = difference(described[unseen_id]["sentences"], described[seen_id]["sentences"])
        return ids | {"text": " ".join(parts), "sentences": list(parts), "source": "edit"}
    parts = lexicon.contrast(unseen_id, seen_id, template)
    return ids | {
        "text": " ".join(parts),
        "sentences": list(parts),
        "source": "lexicon",
        "template": template,
        "template_version": lexicon.LEXICON_VERSION,
    }
