"""How an unseen class differs from its nearest seen class, in words (the texts behind Eq. 4 and 5).

The lexicon gives what differs in the two classes' entries, a language model its answer to a contrast prompt, and a file its
texts for the pairs that it names. Where the user edited the description of one of the two, the lexicon's entries no longer
say what the classes look like: the disparity is then those sentences of the unseen class's description that the seen
class's lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.config.tree import Config
from pipeline.errors import DataError
from pipeline.store.exchange import Exchange
from pipeline.store.opening import store_of
from pipeline.texts import columns, sentences
from pipeline.texts.describing import PHRASE
from pipeline.texts.given import texts
from pipeline.texts.given.texts import Given
from pipeline.texts.judge import judge, normalised
from pipeline.texts.lexicon import lexicon
from pipeline.texts.llm.ask import Asked, OnAnswer, Question, ask_all
from pipeline.texts.llm.journal import ONE_DISK, PUBLISHED, Journal, earlier_journals
from pipeline.texts.llm.templates import Template
from pipeline.texts.llm.templates import template as find_template
from pipeline.vocabulary.vocabulary import Vocabulary

Pair = tuple[int, int]
"""(hoi_id of the unseen class, hoi_id of its nearest seen class)"""
OWN = ("edit", "file", "given", PHRASE)
"""Sources of descriptions that do not come from the lexicon or a model, so the lexicon cannot say how they differ."""
PAIR: dict[str, pa.DataType] = {"hoi_id": pa.int64(), "seen_hoi_id": pa.int64()}


def write(
    pairs: Sequence[Pair],
    *,
    vocabulary: Vocabulary,
    config: Config,
    descriptions: pd.DataFrame,
    journal: Path,
    progress: OnAnswer,
    keep: Path | None = None,
    exchange: Exchange = ONE_DISK,
) -> pd.DataFrame:
    """One row a pair, in the order of `pairs`: hoi_id, seen_hoi_id, and the columns `columns.PRODUCED`.

    Args:
        pairs: Unseen classes with their nearest seen classes.
        descriptions: The table of stage `descriptions`; it must have a row for every class in `pairs`.
        journal: File in the stage's scratch folder that keeps the answers of a language model.
        progress: Called with (done, total, note) as answers come in.
        keep: Folder (the stage's `work.out`) that gets what later stages do not read: `provenance.parquet`, and
            `answers.jsonl` where a language model was asked.
        exchange: How the journal reaches another machine that takes the work over.

    Raises:
        DataError: a class has no description, or a language model gave no usable text for it.
        ConfigError: no such template.
        ServiceError: the language model's server cannot be used.
    """
    described = _described(descriptions, pairs, vocabulary)
    by_model = config.disparities.asks_model
    template = find_template(config.disparities.template, "contrast", key="disparities.template") if by_model else None
    given = from_file(config, vocabulary) if config.disparities.source == "file" else {}
    # A prompt that shows both descriptions knows a user's own; neither another prompt nor the lexicon does.
    knows = template is not None and template.shows_descriptions
    own = {pair for pair in pairs if not knows and pair[0] not in given and _is_own(pair, described)}
    asked = [pair for pair in pairs if pair not in own] if template else []
    if not template:
        composed = {hoi_id for pair in pairs if pair not in own and pair[0] not in given for hoi_id in pair}
        lexicon.check((vocabulary.hoi(hoi_id) for hoi_id in sorted(composed)), key="disparities.source")
    asked_for: dict[Pair, Asked] = {}
    if template:
        asked_for = _ask(asked, template, described, vocabulary, config, journal, progress, keep, exchange)
    if keep is not None:
        measures = [_ids(pair) | columns.measured(answer) for pair, answer in asked_for.items()]
        columns.write(keep / "provenance.parquet", measures, PAIR | columns.MEASURED)
    rows = []
    for pair in pairs:
        answer = asked_for.get(pair)
        if answer is not None:
            found = columns.produced(answer, sentences.split(answer.text))
        elif pair[0] in given:
            found = _given(pair, given)
        elif pair in own:
            found = _difference(pair, described)
        else:
            found = _from_lexicon(pair, vocabulary, config.disparities.template.text)
        rows.append(_ids(pair) | {"verdict": judge(found["text"])} | found)
    return columns.frame(rows, PAIR | columns.PRODUCED)


def _ids(pair: Pair) -> dict[str, Any]:
    return {"hoi_id": pair[0], "seen_hoi_id": pair[1]}


def _is_own(pair: Pair, described: Mapping[int, Mapping[str, Any]]) -> bool:
    """Whether a user wrote the description of one of the two."""
    return any(described[hoi_id]["source"] in OWN for hoi_id in pair)


def _described(descriptions: pd.DataFrame, pairs: Sequence[Pair], vocabulary: Vocabulary) -> dict[int, dict[str, Any]]:
    """Rows of the table by hoi_id; DataError naming the classes in `pairs` that it lacks."""
    rows = [{str(key): value for key, value in row.items()} for row in descriptions.to_dict("records")]
    described = {int(row["hoi_id"]): row for row in rows}
    missing = sorted({hoi_id for pair in pairs for hoi_id in pair} - described.keys())
    if missing:
        names = ", ".join(vocabulary.hoi(hoi_id).name for hoi_id in missing)
        raise DataError(f"descriptions.parquet: no description of {names}. Run the stage descriptions again.")
    return described


def from_file(config: Config, vocabulary: Vocabulary) -> dict[int, tuple[int, Given]]:
    """{hoi_id of an unseen class: (hoi_id of its partner, the text)} of `disparities.file`."""
    if config.disparities.file is None:
        raise DataError("disparities.source is file: name one with --set disparities.file=PATH")
    return texts.disparities(config.disparities.file, vocabulary)


def difference(text: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """The sentences that the other description lacks, punctuation and case aside; all sentences if it has every one."""
    known = {normalised(sentence) for sentence in other}
    own = tuple(sentence for sentence in text if normalised(sentence) not in known)
    return own or tuple(text)


def _ask(
    pairs: Sequence[Pair],
    template: Template,
    described: dict[int, dict[str, Any]],
    vocabulary: Vocabulary,
    config: Config,
    path: Path,
    progress: OnAnswer,
    keep: Path | None,
    exchange: Exchange,
) -> dict[Pair, Asked]:
    questions = []
    for unseen_id, seen_id in pairs:
        unseen, seen = vocabulary.hoi(unseen_id), vocabulary.hoi(seen_id)
        questions.append(
            Question(
                name=f"{unseen.name} (unlike {seen.name})",
                rendered=template.render(
                    unseen, other=seen, text=described[unseen_id]["text"], other_text=described[seen_id]["text"]
                ),
                about=unseen,
                compared=True,
            )
        )
    with Journal(path, earlier=earlier_journals(path.parent, store_of(config)), exchange=exchange) as answers:
        found, _ = ask_all(
            questions,
            template=template,
            among=vocabulary,
            llm=config.llm,
            journal=answers,
            progress=progress,
            tolerated=config.disparities.tolerated,
        )
        if keep is not None:
            answers.publish(keep / PUBLISHED)
    return dict(zip(pairs, found, strict=True))


def _given(pair: Pair, given: dict[int, tuple[int, Given]]) -> dict[str, Any]:
    other, found = given[pair[0]]
    if other != pair[1]:
        raise ValueError(f"the file compares class {pair[0]} with class {other}, not with {pair[1]}")
    parts = list(sentences.split(found.text))
    return {"text": found.text, "sentences": parts, "source": "file", "origin": found.origin}


def _difference(pair: Pair, described: dict[int, dict[str, Any]]) -> dict[str, Any]:
    unseen, seen = (described[hoi_id] for hoi_id in pair)
    parts = difference(unseen["sentences"], seen["sentences"])
    whose = (unseen["source"], seen["source"])
    source = "edit" if "edit" in whose else PHRASE if PHRASE in whose else "file"
    return {"text": " ".join(parts), "sentences": list(parts), "source": source}


def _from_lexicon(pair: Pair, vocabulary: Vocabulary, wording: str) -> dict[str, Any]:
    parts = lexicon.contrast(vocabulary.hoi(pair[0]), vocabulary.hoi(pair[1]), wording)
    return {
        "text": " ".join(parts),
        "sentences": list(parts),
        "source": "lexicon",
        "template": wording,
        "template_version": lexicon.LEXICON_VERSION,
    }
