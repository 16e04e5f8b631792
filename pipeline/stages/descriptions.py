"""Stage `descriptions`: one visual description a class, with its provenance.

    descriptions.parquet    hoi_id, name, text, sentences and what produced them: all that later stages read
    provenance.parquet      hoi_id, model_root, attempts, token counts, latency_s ...: how it went, language models only
    answers.jsonl           every answer used, accepted or not, with its full request: language models only

Texts come from the project's lexicon or from a language model; `descriptions.edits` replaces single ones. Resumes at
the single request, and takes answers that another run of this store has to the very same request.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline import edits, sentences
from pipeline.hico.vocabulary import HoiClass, hoi_classes
from pipeline.lexicon import lexicon
from pipeline.llm import columns, journal
from pipeline.llm.ask import Accepted, Question, Tally, ask_all
from pipeline.llm.templates import describe_template
from pipeline.work import Work

log = logging.getLogger("ezhoi.descriptions")

NAMED: dict[str, pa.DataType] = {"hoi_id": pa.int64(), "name": pa.string()}


def run(work: Work) -> dict[str, Any]:
    """Write the tables; metrics are counts."""
    with work.clock("read"):
        table = work.inputs["annotations"].table("classes.parquet", ["hoi_id"])
        classes = [hoi_classes()[hoi_id] for hoi_id in sorted(table["hoi_id"].tolist())]
        path = work.config.descriptions.edits
        edited = edits.read(path) if path is not None else {}
    unused = edited.keys() - {hoi.hoi_id for hoi in classes}
    if unused:
        names = ", ".join(hoi_classes()[hoi_id].name for hoi_id in sorted(unused))
        log.warning("%s: this dataset does not have the classes %s; their texts are not used", path, names)
    wanted = [hoi for hoi in classes if hoi.hoi_id not in edited]
    accepted: dict[int, Accepted] = {}
    tally = Tally()
    with work.clock("compute"):
        if work.config.descriptions.source == "llm":
            accepted, tally = _ask(work, wanted)
    rows = [_row(hoi, edited.get(hoi.hoi_id), accepted.get(hoi.hoi_id)) for hoi in classes]
    with work.clock("write"):
        columns.write(work.out / "descriptions.parquet", rows, NAMED | columns.PRODUCED)
        measures = [{"hoi_id": hoi_id, **columns.measured(answer)} for hoi_id, answer in sorted(accepted.items())]
        columns.write(work.out / "provenance.parquet", measures, {"hoi_id": pa.int64()} | columns.MEASURED)
    work.progress(len(rows), len(rows), "described")
    return {
        "classes": len(rows),
        "mean_words": round(sum(len(row["text"].split()) for row in rows) / max(len(rows), 1), 2),
        "edited": len(edited) - len(unused),
        "requests": tally.requests,
        "reused": tally.reused,
        "rejected": tally.rejected,
    }


def _ask(work: Work, classes: Sequence[HoiClass]) -> tuple[dict[int, Accepted], Tally]:
    """The language model's texts by hoi_id; its answers are published with the artifact."""
    template = describe_template(work.config.descriptions.template)
    questions = [
        Question(name=hoi.name, prompt=template.render(hoi), object_name=hoi.object.replace("_", " "))
        for hoi in classes
    ]
    earlier = journal.earlier_journals(work.scratch)
    with journal.Journal(work.scratch / journal.WORKING, earlier=earlier) as answers:
        accepted, tally = ask_all(
            questions, template=template, llm=work.config.llm, journal=answers, progress=work.progress
        )
        answers.publish(work.out / journal.PUBLISHED)
    return {hoi.hoi_id: answer for hoi, answer in zip(classes, accepted, strict=True)}, tally


def _row(hoi: HoiClass, edit: str | None, answer: Accepted | None) -> dict[str, Any]:
    named = {"hoi_id": hoi.hoi_id, "name": hoi.name}
    if edit is not None:
        return named | {"text": edit, "sentences": list(sentences.split(edit)), "source": "edit"}
    if answer is not None:
        return named | columns.produced(answer, sentences.split(answer.text))
    parts = lexicon.describe(hoi.hoi_id)
    return named | {
        "text": " ".join(parts),
        "sentences": list(parts),
        "source": "lexicon",
        "template": lexicon.DESCRIBE,
        "template_version": lexicon.LEXICON_VERSION,
    }
